"""A network run on overlapping tiles and the results blended, where the whole does not fit into memory.

What a network does with the whole picture (group norms, attention) it then does per tile, so the result is near, not
equal. Letters: B batch, C channels, H W height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor


def tiled(
    net: Callable[[Tensor], Tensor], x: Tensor, tile: int, overlap: int, scale: Fraction | float = Fraction(1)
) -> Tensor:
    """``net`` (B, C, t, t) -> (B, C', scale t, scale t), on tiles of x (B, C, H, W): (B, C', scale H, scale W).

    ``tile`` and ``overlap`` are in pixels of x; times ``scale`` they must be whole. Where tiles overlap their results
    are mixed in proportion to the distance from their borders. Raises ValueError for an overlap as large as the tile.
    """
    if not 0 <= overlap < tile:
        raise ValueError(f"tiles of {tile} cannot overlap by {overlap}; 0..{tile - 1} is accepted")
    scale = Fraction(scale)
    height, width = x.shape[2:]
    total = weight = None
    for top in starts(height, tile, overlap):
        for left in starts(width, tile, overlap):
            part = net(x[:, :, top : top + tile, left : left + tile])
            ramp = hill(part.shape[2], whole(overlap * scale))[:, None] * hill(part.shape[3], whole(overlap * scale))
            if total is None or weight is None:
                size = (whole(height * scale), whole(width * scale))
                total = part.new_zeros((*part.shape[:2], *size), dtype=torch.float32)
                weight = torch.zeros(size, device=part.device)
            y, x_ = whole(top * scale), whole(left * scale)
            ramp = ramp.to(part.device)
            total[:, :, y : y + part.shape[2], x_ : x_ + part.shape[3]] += part.float() * ramp
            weight[y : y + part.shape[2], x_ : x_ + part.shape[3]] += ramp
    assert total is not None and weight is not None
    return (total / weight).to(part.dtype)


def whole(value: Fraction) -> int:
    """A fraction that is a whole number. Raises ValueError for another."""
    if value.denominator != 1:
        raise ValueError(f"tiles and sizes must be whole after scaling; one is {float(value):g}")
    return int(value)


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin so that they cover ``length``, the last one ending there."""
    if length <= tile:
        return [0]
    last = length - tile
    return [*range(0, last, tile - overlap), last]


def hill(length: int, overlap: int) -> Tensor:
    """Weights (length,) that rise from the borders to 1 within the overlap, and are never 0."""
    near = torch.arange(1, length + 1)
    return (torch.minimum(near, near.flip(0)) / (overlap + 1)).clamp(max=1.0)
