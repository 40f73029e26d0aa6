"""Group normalisation and SiLU of pictures that lie channels last, in Triton: read twice, written once.

Wu & He 2018, "Group Normalization", arXiv:1803.08494, eq. 1 to 7. CUDA's own kernel wants channels first, so that every
one of the 61 normalisations of a U-Net would rearrange its picture twice. Three kernels: mean and sum of squared
deviations of every channel in a tile of pixels; these put together per group (Chan et al. 1979, "Updating formulae and
a pairwise algorithm for computing sample variances", eq. 2.1) as one factor and one summand per channel; applying them.
Sums are in float32. Letters: B pictures, C channels, H W pixels, G groups.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

ROWS, WIDTH = 64, 64  # pixels and channels of a tile: rows of 128 bytes in half precision
AT_ONCE = 64  # tiles that the second kernel adds up at a time


@triton.jit  # type: ignore[untyped-decorator, unused-ignore]
def moments_of_tiles(
    x: Any, means: Any, squares: Any, hw: Any, c: Any, ROWS: tl.constexpr, WIDTH: tl.constexpr
) -> None:
    """Mean and sum of squared deviations of each channel of one tile, (B, tiles, C) each."""
    tile, block, picture = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    rows, columns = tile * ROWS + tl.arange(0, ROWS), block * WIDTH + tl.arange(0, WIDTH)
    inside = (rows[:, None] < hw) & (columns[None, :] < c)
    value = tl.load(x + (picture * hw + rows[:, None]) * c + columns[None, :], mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(value, axis=0) / tl.minimum(hw - tile * ROWS, ROWS)
    apart = tl.where(inside, value - mean[None, :], 0.0)
    to = (picture * tl.num_programs(0) + tile) * c + columns
    tl.store(means + to, mean, mask=columns < c)
    tl.store(squares + to, tl.sum(apart * apart, axis=0), mask=columns < c)


@triton.jit  # type: ignore[untyped-decorator, unused-ignore]
def factors_of_channels(
    means: Any,
    squares: Any,
    weight: Any,
    bias: Any,
    factor: Any,
    summand: Any,
    hw: Any,
    c: Any,
    tiles: Any,
    eps: Any,
    ROWS: tl.constexpr,
    SIZE: tl.constexpr,
    AT_ONCE: tl.constexpr,
) -> None:
    """Of one group of one picture: y = factor x + summand for each of its channels, (B, C) each."""
    group, picture = tl.program_id(0), tl.program_id(1).to(tl.int64)
    size = c // tl.num_programs(0)
    inner = tl.arange(0, SIZE)
    columns, own = group * size + inner, inner < size
    total = tl.zeros((AT_ONCE, SIZE), dtype=tl.float32)
    for first in range(0, tiles, AT_ONCE):
        tile = first + tl.arange(0, AT_ONCE)
        inside = (tile[:, None] < tiles) & own[None, :]
        count = tl.minimum(hw - tile * ROWS, ROWS).to(tl.float32)
        mean = tl.load(means + (picture * tiles + tile[:, None]) * c + columns[None, :], mask=inside, other=0.0)
        total += tl.where(inside, mean * count[:, None], 0.0)
    whole = tl.sum(tl.sum(total, axis=1), axis=0) / (hw * size)
    total = tl.zeros((AT_ONCE, SIZE), dtype=tl.float32)
    for first in range(0, tiles, AT_ONCE):
        tile = first + tl.arange(0, AT_ONCE)
        inside = (tile[:, None] < tiles) & own[None, :]
        count = tl.minimum(hw - tile * ROWS, ROWS).to(tl.float32)
        at = (picture * tiles + tile[:, None]) * c + columns[None, :]
        apart = tl.load(means + at, mask=inside, other=0.0) - whole
        within = tl.load(squares + at, mask=inside, other=0.0)
        total += tl.where(inside, within + apart * apart * count[:, None], 0.0)
    variance = tl.sum(tl.sum(total, axis=1), axis=0) / (hw * size)
    scale = tl.load(weight + columns, mask=own, other=0.0).to(tl.float32) / tl.sqrt(variance + eps)
    shift = tl.load(bias + columns, mask=own, other=0.0).to(tl.float32) - whole * scale
    tl.store(factor + picture * c + columns, scale, mask=own)
    tl.store(summand + picture * c + columns, shift, mask=own)


@triton.jit  # type: ignore[untyped-decorator, unused-ignore]
def apply(
    x: Any,
    y: Any,
    factor: Any,
    summand: Any,
    hw: Any,
    c: Any,
    SILU: tl.constexpr,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
) -> None:
    """Y = factor x + summand of one tile, and its SiLU where asked."""
    tile, block, picture = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    rows, columns = tile * ROWS + tl.arange(0, ROWS), block * WIDTH + tl.arange(0, WIDTH)
    there = columns < c
    inside = (rows[:, None] < hw) & there[None, :]
    at = (picture * hw + rows[:, None]) * c + columns[None, :]
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    scale = tl.load(factor + picture * c + columns, mask=there, other=0.0)
    shift = tl.load(summand + picture * c + columns, mask=there, other=0.0)
    value = value * scale[None, :] + shift[None, :]
    if SILU:
        value = value / (1 + tl.exp(-value))
    tl.store(y + at, value.to(y.dtype.element_ty), mask=inside)


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, *, silu: bool) -> Tensor:
    """``F.group_norm``, and ``F.silu`` of it where asked: x (B, C, H, W) -> (B, C, H, W), both channels last."""
    x = x.contiguous(memory_format=torch.channels_last)
    (b, c, h, w), out = x.shape, torch.empty_like(x, memory_format=torch.channels_last)
    tiles = triton.cdiv(h * w, ROWS)
    means, squares = x.new_empty(2, b, tiles, c, dtype=torch.float32)
    factor, summand = x.new_empty(2, b, c, dtype=torch.float32)
    grid, tile = (tiles, triton.cdiv(c, WIDTH), b), {"ROWS": ROWS, "WIDTH": WIDTH}
    moments_of_tiles[grid](x, means, squares, h * w, c, **tile)
    size = triton.next_power_of_2(c // groups)
    factors_of_channels[(groups, b)](
        *(means, squares, weight, bias, factor, summand, h * w, c, tiles, eps), ROWS=ROWS, SIZE=size, AT_ONCE=AT_ONCE
    )
    apply[grid](x, out, factor, summand, h * w, c, SILU=silu, **tile)
    return out
