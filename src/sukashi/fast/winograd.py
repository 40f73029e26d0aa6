"""3 x 3 convolutions with a quarter of the multiplications: F(4 x 4, 3 x 3) of Winograd, as matrix products.

Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, sec. 4.1 and 4.3: a tile of
4 x 4 outputs comes from 6 x 6 inputs d by A^T [(G g G^T) * (B^T d B)] A. As vectors of 36, 9 and 16 numbers each of the
three transforms is one matrix, the Kronecker square of a small one; what lies between them is 36 matrix products over
channels. In float32 the error against float64 is about three times that of the direct sum.
Letters: B batch, C C' channels in and out, H W picture, T tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from sukashi.fast.room import ROOM, alike

AT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
BT = (
    *((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0)),
    *((0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1)),
)
G24 = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))  # 24 G
PORTION = 8 << 20  # bytes of tiles at a time: what a last-level cache holds, as measured (docs/benchmarks.md)
WEIGHTS = 32 << 20  # bytes of a weight that are transformed at a time,
MANY = 80 << 20  # and of tiles that wait for them meanwhile

Before = Callable[[Tensor, int, Tensor], object]
"""(rows (R, W, C) of picture k, k, out (R, W, C)): writes what is to be convolved in the place of these rows."""
Part = tuple[int, int, int]  # picture, first row of tiles, rows of tiles


@lru_cache
def square(rows: tuple[tuple[int, ...], ...], scale: float, dtype: torch.dtype) -> Tensor:
    """The Kronecker square of a small matrix, (m, n) -> (m m, n n): both axes of a tile in one product."""
    with torch.inference_mode(False):  # kept: other runs use it too
        small = torch.tensor(rows, dtype=torch.float64) / scale
        return torch.kron(small, small).to(dtype)


def transformed(weight: Tensor, out: Tensor | None = None) -> Tensor:
    """A weight (C', C, 3, 3) -> (36, C', C) in its own type, perhaps into ``out`` (36, C' C)."""
    made = torch.mm(square(G24, 24.0, weight.dtype), weight.reshape(-1, 9).t(), out=out)
    return made.view(36, *weight.shape[:2])


def tiles_of(picture: Tensor, k: int, first: int, n: int, columns: int, before: Before | None, out: Tensor) -> None:
    """Transform n rows of tiles of a picture (H, W, C) into ``out`` (36, n columns C)."""
    h, w, c = picture.shape
    field = ROOM("field", picture, 4 * n + 2, 4 * columns + 2, c)  # what these tiles see: one cell more on each side
    top, bottom = max(0, 4 * first - 1), min(h, 4 * (first + n) + 1)
    above = top - (4 * first - 1)
    inside = field[above : above + bottom - top, 1 : w + 1]
    for edge in (field[:above], field[above + bottom - top :], field[:, :1], field[:, w + 1 :]):
        edge.zero_()
    rows = picture[top:bottom]
    inside.copy_(rows) if before is None else before(rows, k, inside)
    down, across, _ = field.stride()
    seen = field.as_strided((6, 6, n, columns, c), (down, across, 4 * down, 4 * across, 1))
    spread = ROOM("spread", picture, *seen.shape).copy_(seen).view(36, -1)
    torch.mm(square(BT, 1.0, picture.dtype), spread, out=out)


def parts_of(count: int, rows: int, at_once: int, together: int) -> Iterator[Sequence[Part]]:
    """All rows of tiles of ``count`` pictures, at most ``at_once`` rows of one picture in a part, in groups."""
    parts = [(k, first, min(at_once, rows - first)) for k in range(count) for first in range(0, rows, at_once)]
    for start in range(0, len(parts), together):
        yield parts[start : start + together]


def convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, kept: Tensor | None = None, before: Before | None = None
) -> Tensor:
    """``F.conv2d(padding=1)`` of x (B, C, H, W) and a weight (C', C, 3, 3) -> (B, C', H, W), channels last.

    ``kept`` is the ``transformed`` weight; without it a portion after the other is transformed, while all tiles that it
    is multiplied with are at hand. ``before`` is computed of every row on its way into the convolution.
    """
    (count, c, h, w), out_c, size = x.shape, len(weight), x.element_size()
    rows, columns = -(-h // 4), -(-w // 4)
    pictures, out = x.permute(0, 2, 3, 1), x.new_empty(count, 4 * rows, 4 * columns, out_c)
    row = 36 * size * c * columns  # bytes of a row of tiles
    few = max(1, PORTION // (36 * size * max(c, out_c) * columns))  # rows of tiles
    channels = out_c if kept is not None else min(out_c, max(32, WEIGHTS // (36 * size * c) // 16 * 16))
    at_once = few if channels == out_c else max(1, min(rows, MANY // row))
    together = 1 if channels == out_c else max(1, MANY // (row * at_once))
    back = square(AT, 1.0, x.dtype)
    for group in parts_of(count, rows, at_once, together):
        tiles = ROOM("tiles", x, len(group), 36, at_once * columns * c)
        for (k, first, n), there in zip(group, tiles, strict=True):
            for start in range(0, n, few):
                some = slice(start * columns * c, min(start + few, n) * columns * c)
                tiles_of(pictures[k], k, first + start, min(few, n - start), columns, before, there[:, some])
        for start in range(0, out_c, channels):
            own = slice(start, min(start + channels, out_c))
            u = kept
            if u is None:
                some_weights = alike(x, weight[own], "some weights")
                u = transformed(some_weights, ROOM("u", x, 36, len(some_weights) * c))
            for (k, first, n), there in zip(group, tiles, strict=True):
                v = torch.unflatten(there[:, : n * columns * c], 1, (n * columns, c))
                product = ROOM("product", x, 36, n * columns, u.shape[1])
                torch.bmm(v, u.transpose(1, 2), out=product)
                made = torch.mm(back, product.view(36, -1), out=ROOM("made", x, 16, n * columns * u.shape[1]))
                drawn = made.view(4, 4, n, columns, u.shape[1])
                place = out[k, 4 * first : 4 * (first + n), :, own]
                place = torch.unflatten(torch.unflatten(place, 1, (columns, 4)), 0, (n, 4)).permute(1, 3, 0, 2, 4)
                place.copy_(drawn) if bias is None else torch.add(drawn, bias[own], out=place)
    result = out.permute(0, 3, 1, 2)
    return result if result.shape[2:] == (h, w) else result[:, :, :h, :w].contiguous(memory_format=torch.channels_last)
