"""Keep predicted pixels in range: functions from a denoiser to a denoiser.

For models of pixels in -1 ... 1. Latents of Stable Diffusion have no such range: its configs set clip_sample false.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sukashi.diffusion.types import Denoise, Level, Prediction


def clipped(denoise: Denoise, limit: float = 1.0, *, keep_eps: bool = False) -> Denoise:
    """Clamp x0 to -limit ... limit (Ho et al. 2020, arXiv:2006.11239).

    eps is made to agree with the clamped x0, unless ``keep_eps``, which is what diffusers' DDIM does.
    """

    def clamp(x0: Tensor) -> Tensor:
        return x0.clamp(-limit, limit)

    return with_x0(denoise, clamp, keep_eps)


def thresholded(denoise: Denoise, ratio: float = 0.995, limit: float = 1.0, *, keep_eps: bool = False) -> Denoise:
    """Dynamic thresholding (Saharia et al. 2022, arXiv:2205.11487, sec. 2.3), each image of the batch by itself.

    x0 is clamped to -s ... s and divided by s, the ``ratio`` quantile of its size, kept between 1 and ``limit``.
    """

    def squeeze(x0: Tensor) -> Tensor:
        size = x0.flatten(1).abs().float() if x0.dtype not in (torch.float32, torch.float64) else x0.flatten(1).abs()
        s = torch.quantile(size, ratio, dim=1).clamp(min=1, max=limit).to(x0.dtype)
        s = s.view(-1, *[1] * (x0.dim() - 1))  # (B,) -> (B, 1, 1, 1)
        return torch.clamp(x0, -s, s) / s

    return with_x0(denoise, squeeze, keep_eps)


def with_x0(denoise: Denoise, change: Callable[[Tensor], Tensor], keep_eps: bool) -> Denoise:
    """The same denoiser with x0 (B, C, H, W) changed, and eps made to agree with it unless ``keep_eps``."""

    def changed(x: Tensor, level: Level) -> Prediction:
        p = denoise(x, level)
        x0 = change(p.x0)
        return p._replace(x0=x0, eps=p.eps if keep_eps else (x - level.alpha * x0) / level.sigma)

    return changed
