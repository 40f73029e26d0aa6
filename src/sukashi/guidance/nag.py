"""NAG: the negative prompt inside every cross-attention, at the cost of its keys and values alone."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning
from sukashi.nets.shallow import Attend, Net, with_attend


def attending_away(unet: Net, tokens: int, scale: float, tau: float, alpha: float) -> Net:
    """Normalized attention guidance (Chen et al. 2025, arXiv:2505.21179, eq. 6-9), sharing all weights of the U-Net.

    The context is that of ``both``: the first ``tokens`` tokens are the prompt's, the rest the negative prompt's. Per
    image token, Z+ and Z- being what attention to each gives: Z = s Z+ - (s - 1) Z-; R = |Z|_1 / |Z+|_1;
    Z <- Z min(R, tau) / R; the layer goes on with a Z + (1 - a) Z+.
    """

    def replaced(name: str, attend: Attend) -> Attend:
        def away(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            plus = attend(q, k[:, :, :tokens], v[:, :, :tokens])
            minus = attend(q, k[:, :, tokens:], v[:, :, tokens:])
            z = scale * plus - (scale - 1) * minus
            return alpha * bounded(z, plus, tau) + (1 - alpha) * plus

        return away

    return with_attend(unet, replaced, to_text=True)


def bounded(z: Tensor, plus: Tensor, tau: float) -> Tensor:
    """Z (B, heads, N, d) with the L1 norm of each image token at most tau times that of ``plus``."""
    length, allowed = (y.float().abs().sum(dim=(1, 3), keepdim=True) for y in (z, plus))  # over heads and d
    return z * torch.clamp(tau * allowed / length.clamp(min=1e-7), max=1.0).to(z.dtype)


def both(wanted: Conditioning, negative: Conditioning) -> Conditioning:
    """The prompt, with the tokens of the negative prompt behind its own: context (B, T + T', D)."""
    return replace(wanted, context=torch.cat([wanted.context, negative.context], dim=1))
