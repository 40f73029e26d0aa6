"""Clipping and dynamic thresholding of x0."""

from __future__ import annotations

import pytest
import torch
from fake_unet import START, oracle
from torch import Tensor

from sukashi.diffusion.clipping import clipped, thresholded
from sukashi.diffusion.schedule import NoiseSchedule

LEVEL = NoiseSchedule().at(300)
X0 = 3 * torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))


def noisy() -> Tensor:
    return LEVEL.alpha * X0 + LEVEL.sigma * START


@pytest.mark.parametrize("keep_eps", [False, True])
def test_clipping(keep_eps: bool) -> None:
    p = clipped(oracle(X0), 1.5, keep_eps=keep_eps)(noisy(), LEVEL)
    assert torch.equal(p.x0, X0.clamp(-1.5, 1.5))
    agrees = torch.allclose(LEVEL.alpha * p.x0 + LEVEL.sigma * p.eps, noisy(), atol=1e-5)
    assert agrees != keep_eps
    assert torch.allclose(p.eps, START.expand_as(X0), atol=1e-5) == keep_eps


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_thresholding_squeezes_each_image_by_itself(dtype: torch.dtype) -> None:
    x0 = torch.stack([X0[0], 0.1 * X0[0]]).to(dtype)
    p = thresholded(oracle(x0), 0.9, 10.0)(x0, LEVEL)
    scale = torch.quantile(x0[0].float().abs().flatten(), 0.9)
    assert p.x0.dtype == dtype
    assert torch.allclose(p.x0[0].float(), (x0[0].float() / scale).clamp(-1, 1), atol=0.02)
    assert torch.equal(p.x0[1], x0[1].clamp(-1, 1)), "within range: only clipped"


def test_thresholding_is_limited() -> None:
    p = thresholded(oracle(X0), 0.99, 2.0)(noisy(), LEVEL)
    assert torch.allclose(p.x0, X0.clamp(-2, 2) / 2)
