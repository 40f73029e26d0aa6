"""Group normalisation and SiLU of some rows of a picture at a time, on their way into a convolution.

The statistics of the whole picture are found first, portion by portion, and put together as Chan et al. 1979 do
("Updating formulae and a pairwise algorithm for computing sample variances", eq. 2.1): float32 keeps its digits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from sukashi.fast.winograd import Before

PORTION = 4 << 20  # bytes at a time, which a cache holds


def moments(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Of pixels (N, C): mean (C,) and the sum of squared differences to it (C,)."""
    parts = torch.split(pixels, max(1, PORTION // (pixels.shape[1] * pixels.element_size())))
    means = torch.stack([part.mean(dim=0) for part in parts])
    squares = [(part - mean).square_().sum(dim=0) for part, mean in zip(parts, means, strict=True)]
    counts = torch.tensor([float(len(part)) for part in parts], dtype=pixels.dtype)[:, None]
    mean = (means * counts).sum(dim=0) / len(pixels)
    return mean, torch.stack(squares).sum(dim=0) + ((means - mean).square() * counts).sum(dim=0)


def affine(picture: Tensor, norm: nn.GroupNorm) -> tuple[Tensor, Tensor]:
    """What ``norm`` does to a picture (H, W, C) is p -> p * scale + shift: both (C,)."""
    pixels = picture.flatten(0, 1)
    means, squares = (each.view(norm.num_groups, -1) for each in moments(pixels))
    mean = means.mean(dim=1, keepdim=True)
    variance = squares.mean(dim=1, keepdim=True) / len(pixels) + (means - mean).square().mean(dim=1, keepdim=True)
    ratio = (variance + norm.eps).rsqrt()
    scale = (norm.weight.view_as(means) * ratio).flatten()
    return scale, norm.bias - mean.expand_as(means).flatten() * scale


def activation(x: Tensor, norm: nn.GroupNorm) -> Before:
    """silu(norm(x)) for x (B, C, H, W) in memory as (B, H, W, C), rows at a time."""
    found = [affine(picture, norm) for picture in x.permute(0, 2, 3, 1)]

    def before(rows: Tensor, k: int, out: Tensor) -> None:
        scale, shift = found[k]
        torch.addcmul(shift, rows, scale, out=out)
        F.silu(out, inplace=True)

    return before
