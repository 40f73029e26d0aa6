"""A stand-in for a U-Net that counts: what it says depends on x and on the context, smoothly and not linearly."""

from __future__ import annotations

import torch
from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.types import Level

LEVEL = Level(t=500.0, alpha=0.6, sigma=0.8)


class CountingUNet:
    """Remembers the rows of every call, which is what a call costs."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.contexts: list[Tensor] = []

    def __call__(self, x: Tensor, t: Tensor, context: Tensor, **_: Tensor | None) -> Tensor:
        self.rows.append(len(x))
        self.contexts.append(context)
        told = context.mean(dim=1)[:, : x.shape[1], None, None]
        return torch.tanh(x + told + t.view(-1, 1, 1, 1) / 1000) + 0.3 * told * x


def about(seed: int, batch: int = 2, tokens: int = 3) -> Conditioning:
    generator = torch.Generator().manual_seed(seed)
    return Conditioning(context=torch.randn(batch, tokens, 5, generator=generator, dtype=torch.float64))


def latent(batch: int = 2, seed: int = 100) -> Tensor:
    return torch.randn(batch, 4, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def said(unet: CountingUNet, x: Tensor, given: Conditioning, level: Level = LEVEL) -> Tensor:
    """The raw output for one conditioning, asked on its own."""
    return unet(x, torch.full((len(x),), level.t), given.context)
