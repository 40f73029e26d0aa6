"""Several prompts at once, each with its weight: the AND of A1111."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add

import torch
from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning, UNetLike, ask, read
from sukashi.diffusion.types import Denoise, Level, Prediction

Weighted = tuple[Conditioning, float]


def composed(
    unet: UNetLike, predicts: str, wanted: Sequence[Weighted], unwanted: Conditioning, scale: float
) -> Denoise:
    """Composed guidance: out = u + s sum_i w_i (c_i - u), all in one batch, unwanted first.

    Liu et al. 2022, arXiv:2206.01714, eq. 11, with A1111's weights. Every conditioning has the same batch size and
    number of tokens. ``parts`` of the prediction are the raw outputs 'unwanted' and 'wanted', the latter as one:
    u + sum_i w_i (c_i - u). Raises ValueError when nothing is wanted.
    """
    if not wanted:
        raise ValueError("nothing to compose: at least one prompt is needed")
    together = reduce(add, [given for given, _ in wanted], unwanted)

    def denoise(x: Tensor, level: Level) -> Prediction:
        out_u, *outs = ask(unet, torch.cat([x] * (len(wanted) + 1)), level, together).chunk(len(wanted) + 1)
        one = blended(out_u, outs, [weight for _, weight in wanted])
        return read(out_u + scale * (one - out_u), x, level, predicts, unwanted=out_u, wanted=one)

    return denoise


def blended(out_u: Tensor, outs: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """U + sum_i w_i (c_i - u): the output of several prompts as if it were one; all (B, C, H, W)."""
    return out_u + sum(weight * (out - out_u) for out, weight in zip(outs, weights, strict=True))
