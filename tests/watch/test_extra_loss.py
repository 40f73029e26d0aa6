"""Guidance with a loss: the gradient is right, and the picture turns blue."""

from __future__ import annotations

import pytest
import torch

import sukashi
from sukashi.diffusion.schedule import level as level_of
from sukashi.diffusion.types import Level, Prediction
from sukashi.watch.experiments.extra_loss import coloured, loss, pulled

NOW = level_of(500.0, 1.3)
X = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def third(x: torch.Tensor, level: Level) -> Prediction:
    x0 = x / 3
    return Prediction(x0, (x - level.alpha * x0) / level.sigma)


def squares(images: torch.Tensor) -> torch.Tensor:
    return images.square().sum(dim=(1, 2, 3))


@pytest.mark.parametrize(("through", "by_x"), [("unet", 1 / 3), ("decoder", 1 / NOW.alpha)])
def test_the_gradient_is_the_one_by_hand(through: str, by_x: float) -> None:
    p = pulled(third, lambda z: 2 * z - 1, squares, 0.1, through=through)(X, NOW)  # decoded to [0, 1]: z itself
    gradient = 2 * (X / 3) * by_x
    eps = third(X, NOW).eps + NOW.sigma * 0.1 * gradient
    torch.testing.assert_close(p.eps, eps)
    torch.testing.assert_close(NOW.alpha * p.x0 + NOW.sigma * p.eps, X)
    assert squares(p.x0).sum() < squares(third(X, NOW).x0).sum() and not p.x0.requires_grad


def test_pictures_of_a_batch_do_not_pull_one_another() -> None:
    both = pulled(third, lambda z: 2 * z - 1, squares, 0.1)(X, NOW).x0
    torch.testing.assert_close(both[:1], pulled(third, lambda z: 2 * z - 1, squares, 0.1)(X[:1], NOW).x0)


def test_what_cannot_be_pulled() -> None:
    with pytest.raises(ValueError, match="the gradient goes through 'air'; accepted: unet, decoder"):
        pulled(third, lambda z: z, squares, 1.0, through="air")
    with pytest.raises(ValueError, match="without signal"):
        pulled(third, lambda z: z, squares, 1.0)(X, Level(999.0, 0.0, 1.0))
    with pytest.raises(ValueError, match="the colour is 'mauve'; accepted: red, green, blue"):
        coloured("mauve")


def test_kirie_turns_blue() -> None:
    pipe = sukashi.load("kirie", device="cpu")
    found = loss(pipe, "a boy in the forest", weights=(0.0, 300.0), seeds=(1,), steps=4)
    plain = pipe("a boy in the forest", seed=1, steps=4)
    assert found.pictures[0][0].tobytes() == plain.images[0].tobytes()
    assert found.rows[1]["blue"] > found.rows[0]["blue"] + 30
