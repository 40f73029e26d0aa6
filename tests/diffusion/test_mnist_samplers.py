"""A real trained model (DDPM on MNIST, MIT) sampled by every deterministic sampler: one noise, one digit.

Its first layer normalises the whole image, so it cannot see how bright x is, and nothing would stop the brightness from
drifting: x0 is clipped, as pixel models are.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.diffusion.clipping import clipped
from sukashi.diffusion.names import resolve
from sukashi.diffusion.registry import SAMPLERS
from sukashi.diffusion.types import Level, Prediction

CONFIG = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear", "set_alpha_to_one": True}
DETERMINISTIC = [key for key, sampler in SAMPLERS.items() if not sampler.noisy]
Weights = dict[str, Tensor]


class MnistUNet:
    """The forward pass of the checkpoint's little U-Net, read off its tensors: images (B, 1, 28, 28) -> eps."""

    def __init__(self, weights: Weights) -> None:
        self.w = {name.removeprefix("network."): tensor for name, tensor in weights.items()}

    def time(self, name: str, t: Tensor) -> Tensor:
        hidden = F.silu(F.linear(t, self.w[f"{name}.0.weight"], self.w[f"{name}.0.bias"]))
        return F.linear(hidden, self.w[f"{name}.2.weight"], self.w[f"{name}.2.bias"])[:, :, None, None]

    def blocks(self, name: str, x: Tensor) -> Tensor:
        for i in range(3):
            key = f"{name}.{i}"
            if key != "b_out.2":  # the last block was trained without its normalisation
                x = F.layer_norm(x, x.shape[1:], self.w[f"{key}.ln.weight"], self.w[f"{key}.ln.bias"])
            for conv in ("conv1", "conv2"):
                x = F.silu(F.conv2d(x, self.w[f"{key}.{conv}.weight"], self.w[f"{key}.{conv}.bias"], padding=1))
        return x

    def half(self, name: str, x: Tensor) -> Tensor:
        return F.conv2d(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"], stride=2, padding=1)

    def double(self, name: str, x: Tensor) -> Tensor:
        return F.conv_transpose2d(x, self.w[f"{name}.weight"], self.w[f"{name}.bias"], stride=2, padding=1)

    def __call__(self, x: Tensor, step: int) -> Tensor:
        w = self.w
        t = w["time_embed.weight"][step].expand(len(x), -1)
        a = self.blocks("b1", x + self.time("te1", t))
        b = self.blocks("b2", self.half("down1", a) + self.time("te2", t))
        c = self.blocks("b3", self.half("down2", b) + self.time("te3", t))
        d = F.silu(F.conv2d(c, w["down3.0.weight"], w["down3.0.bias"]))  # 7 -> 6
        d = self.blocks("b_mid", self.half("down3.2", d) + self.time("te_mid", t))
        up = F.conv_transpose2d(F.silu(self.double("up1.0", d)), w["up1.2.weight"], w["up1.2.bias"])  # 3 -> 6 -> 7
        c = self.blocks("b4", torch.cat([c, up], dim=1) + self.time("te4", t))
        b = self.blocks("b5", torch.cat([b, self.double("up2", c)], dim=1) + self.time("te5", t))
        a = self.blocks("b_out", torch.cat([a, self.double("up3", b)], dim=1) + self.time("te_out", t))
        return F.conv2d(a, w["conv_out.weight"], w["conv_out.bias"], padding=1)


@pytest.fixture(scope="module")
def unet(shared_data: Path) -> MnistUNet:
    file = shared_data / "7_small_real_models" / "ddpm_mnist" / "ddpm_mnist.pt"
    return MnistUNet(torch.load(file, weights_only=True, map_location="cpu"))


def noise(seed: int, which: int) -> Tensor:
    """The start (1, 1, 28, 28) of one digit."""
    return torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(seed))[which : which + 1]


def draw(unet: MnistUNet, name: str, n: int) -> Tensor:
    """Four digits (4, 1, 28, 28) from one noise."""

    def denoise(x: Tensor, level: Level) -> Prediction:
        eps = unet(x, round(level.t))
        return Prediction((x - level.sigma * eps) / level.alpha, eps)

    plan = resolve(name, "trailing", CONFIG)
    levels = plan.levels(n)
    x = torch.cat([noise(3, 0), noise(3, 2), noise(0, 2), noise(2, 2)]) * plan.start_scale(levels)
    with torch.no_grad():
        *_, step = plan.run(clipped(denoise), x, levels, lambda: torch.full((1,), torch.nan))
    return step.x_next


@pytest.fixture(scope="module")
def digits(unet: MnistUNet) -> Tensor:
    return draw(unet, "ddim", 200)


def distance(a: Tensor, b: Tensor) -> Tensor:
    """Root mean square distance of each pair of pictures (B,), where white and black are 2 apart."""
    return (a - b).flatten(1).square().mean(dim=1).sqrt()


def test_the_digits_are_digits(digits: Tensor) -> None:
    """Some bright strokes, and four different pictures."""
    ink = (digits > 0.3).flatten(1).float().mean(dim=1)
    assert ((ink > 0.03) & (ink < 0.3)).all(), ink
    assert (distance(digits, digits.roll(1, 0)) > 0.3).all()


TWICE = ("heun", "dpm2")  # two calls a step


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in TWICE else n for n in DETERMINISTIC])
def test_every_deterministic_sampler_draws_the_same_digits(name: str, unet: MnistUNet, digits: Tensor) -> None:
    drawn = draw(unet, name, 50)
    near, far = distance(drawn, digits), distance(drawn, digits.roll(1, 0))
    assert (near < 0.1).all(), near
    assert (near < far / 5).all(), far
