from __future__ import annotations

import math

import pytest
import torch

from sukashi.train.generator import generator_loss, noise_levels
from sukashi.train.loss import min_snr_weight, target


def test_by_hand() -> None:
    """alpha .6, sigma .8, x0 2, eps 1: v = .6 - 1.6 = -1; SNR .5625, weight .5625 / 1.5625 = .36; answer 0 -> .36."""
    x0, eps = torch.full((1, 1, 1, 1), 2.0), torch.ones(1, 1, 1, 1)
    alpha, sigma = torch.tensor([0.6]), torch.tensor([0.8])
    v = target("v_prediction", x0, eps, alpha, sigma)
    assert v.item() == pytest.approx(-1.0)
    assert target("epsilon", x0, eps, alpha, sigma) is eps and target("sample", x0, eps, alpha, sigma) is x0
    weight = min_snr_weight("v_prediction", alpha, sigma)
    assert weight.item() == pytest.approx(0.36)
    assert min_snr_weight("epsilon", alpha, sigma).item() == pytest.approx(1.0)
    assert min_snr_weight("sample", alpha, sigma).item() == pytest.approx(0.5625)


def test_the_three_predictions_weigh_the_same_mistake_alike() -> None:
    """A mistake of d in x0 is d alpha / sigma in eps and d / sigma in v: the weighted losses agree."""
    d = 0.1
    for alpha in (0.1, 0.6, 0.9, 0.99):
        sigma = math.sqrt(1 - alpha**2)
        a, s = torch.tensor([alpha]), torch.tensor([sigma])
        mistakes = {"sample": d, "epsilon": d * alpha / sigma, "v_prediction": d / sigma}
        losses = [m**2 * min_snr_weight(name, a, s).item() for name, m in mistakes.items()]
        assert losses == pytest.approx([d**2 * min((alpha / sigma) ** 2, 5)] * 3, rel=1e-4)


def test_steps_are_drawn_so_that_the_mean_is_the_weighted_one() -> None:
    """Any function of the step, averaged over the draws, is its average over all steps with their weights."""
    weight, values = torch.tensor([4.0, 1.0, 0.25, 0.0]), torch.tensor([1.0, 10.0, 100.0, 1e9])
    t, counts = noise_levels(weight, 70_000, torch.Generator().manual_seed(0))
    assert torch.bincount(t, minlength=4).tolist() == pytest.approx([40_000, 20_000, 10_000, 0], abs=2)
    assert (values[t] * counts).mean().item() == pytest.approx((4 + 10 + 25) / 4, rel=1e-3)


class Silent(torch.nn.Module):
    """Answers zero, so that the loss is the mean square of v: sigma^2 for pictures of zeros times their noise."""

    def forward(self, x: torch.Tensor, t: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(x)


def test_heads_count_more() -> None:
    """x0 is 0 in the left half and 30 in the right: the loss lies nearer to the right one's when heads are there."""
    signal, ids = torch.full((10,), 0.5, dtype=torch.float64), torch.zeros(8, 3, dtype=torch.long)
    x0 = torch.zeros(8, 4, 16, 16)
    x0[..., 8:] = 30.0
    heads = torch.zeros(8, 16, 16, dtype=torch.bool)
    heads[..., 8:] = True

    def loss(heads: torch.Tensor | None, emphasis: float) -> float:
        g = torch.Generator().manual_seed(1)
        return generator_loss(Silent(), x0, ids, signal, g, heads=heads, emphasis=emphasis).item()

    # v = a eps - s x0 with a^2 = s^2 = 1/2; SNR 1, weight 1 / 2
    left, right = 0.5 * 0.5, 0.5 * (0.5 + 0.5 * 900)
    assert loss(None, 1) == pytest.approx((left + right) / 2, rel=0.01)
    assert loss(heads, 1) == pytest.approx(loss(None, 1), rel=1e-5)
    assert loss(heads, 3) == pytest.approx((left + 3 * right) / 4, rel=0.01)


def test_no_noise_level_counts_less_than_asked() -> None:
    """SNR 0.01: v = a eps with x0 = 0, weight 0.01 / 1.01, or what it must be at least."""
    signal = torch.full((10,), 0.01 / 1.01, dtype=torch.float64)
    x0, ids = torch.zeros(64, 4, 8, 8), torch.zeros(64, 3, dtype=torch.long)

    def loss(least: float) -> float:
        return generator_loss(Silent(), x0, ids, signal, torch.Generator().manual_seed(1), least=least).item()

    assert loss(0.0) == pytest.approx((0.01 / 1.01) ** 2, rel=0.02)
    assert loss(0.15) == pytest.approx(0.15 * 0.01 / 1.01, rel=0.02)


@pytest.mark.parametrize("function", [target, min_snr_weight])
def test_unknown_prediction(function: object) -> None:
    one = torch.ones(1)
    arguments = ("velocity", *((one[:, None, None, None],) * 2 if function is target else ()), one, one)
    with pytest.raises(ValueError, match=r"velocity.*v_prediction"):
        function(*arguments)  # type: ignore[operator]
