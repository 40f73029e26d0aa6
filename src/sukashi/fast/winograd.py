"""3 x 3 convolutions with a quarter of the multiplications: F(4 x 4, 3 x 3) of Winograd, as matrix products.

Lavin & Gray 2016, "Fast Algorithms for Convolutional Neural Networks", arXiv:1509.09308, sec. 4.1 and 4.3: a tile of
4 x 4 outputs comes from 6 x 6 inputs d by A^T [(G g G^T) * (B^T d B)] A. As vectors of 36, 9 and 16 numbers each of the
three transforms is one matrix, the Kronecker square of a small one; what lies between them is 36 matrix products over
channels. In float32 the error against float64 is about three times that of the direct sum.
Letters: B batch, C C' channels in and out, H W picture, T tiles.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

AT = ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1))
BT = (
    *((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0)),
    *((0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0), (0, 4, 0, -5, 0, 1)),
)
G24 = ((6, 0, 0), (-4, -4, -4), (-4, 4, -4), (1, 2, 4), (1, -2, 4), (0, 0, 24))  # 24 G
PORTION = 8 << 20  # bytes of tiles at a time: what a last-level cache holds, as measured (docs/benchmarks.md)


def square(rows: tuple[tuple[int, ...], ...], scale: float = 1.0) -> Tensor:
    """The Kronecker square of a small matrix, (m, n) -> (m m, n n): both axes of a tile in one product."""
    small = torch.tensor(rows, dtype=torch.float64) / scale
    return torch.kron(small, small)


def transformed(weight: Tensor) -> Tensor:
    """A weight (C', C, 3, 3) -> (36, C, C') in its own type, computed in float64."""
    g = weight.double().permute(2, 3, 1, 0).reshape(9, -1)
    return (square(G24, 24.0) @ g).to(weight.dtype).view(36, weight.shape[1], weight.shape[0])


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``F.conv2d(padding=1)`` with a weight from ``transformed``: x (B, C, H, W) -> (B, C', H, W), channels last."""
    (count, c, h, w), out_c = x.shape, weight.shape[2]
    rows, columns = -(-h // 4), -(-w // 4)
    x = F.pad(x, (1, 1 + 4 * columns - w, 1, 1 + 4 * rows - h)).permute(0, 2, 3, 1).contiguous()  # (B, H+, W+, C)
    out = x.new_empty(count, 4 * rows, 4 * columns, out_c)
    into, back = square(BT).to(x), square(AT).to(x)
    at_once = max(1, PORTION // (36 * x.element_size() * max(c, out_c) * columns))  # rows of tiles
    for picture, drawn in zip(x, out, strict=True):
        down, across, _ = picture.stride()
        for first in range(0, rows, at_once):
            n = min(at_once, rows - first)
            part = picture[4 * first :]
            tiles = part.as_strided((6, 6, n, columns, c), (down, across, 4 * down, 4 * across, 1))
            tiles = (into @ tiles.reshape(36, -1)).view(36, n * columns, c)
            tiles = (back @ torch.bmm(tiles, weight).view(36, -1)).view(4, 4, n, columns, out_c)
            place = drawn[4 * first : 4 * (first + n)].view(n, 4, columns, 4, out_c).permute(1, 3, 0, 2, 4)
            place.copy_(tiles) if bias is None else torch.add(tiles, bias, out=place)
    made = out.permute(0, 3, 1, 2)
    return made if made.shape[2:] == (h, w) else made[:, :, :h, :w].contiguous(memory_format=torch.channels_last)
