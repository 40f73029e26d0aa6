"""The operations of torch that are not in its documentation, in one place, and whether they work here.

``torch.ops.mkldnn`` is how Inductor reaches oneDNN; names and arguments may change with any version of torch. Each is
tried once per type of number on this machine, against the documented function; where it is missing, raises or gives
other numbers, ``problem`` says so and its callers use the documented function. None of them has a gradient. Kernels in
Triton, which is installed with torch for CUDA, are asked for here too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.fast.room import ROOM

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 4e-3}  # as a part of the largest value
Pair = tuple[int, int]


def pack_convolution(weight: Tensor, stride: Pair, padding: Pair, size: torch.Size) -> Tensor:
    """A weight (C', C, k, k) in the layout that oneDNN wants for pictures of ``size`` (B, C, H, W); opaque."""
    out, c, *kernel = weight.shape
    nearest = ROOM("nearest", weight, out, *kernel, c).permute(0, 3, 1, 2).copy_(weight)  # channels last
    packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
        nearest, list(padding), list(stride), [1, 1], 1, list(size)
    )
    return packed


def convolve(x: Tensor, packed: Tensor, bias: Tensor | None, stride: Pair, padding: Pair) -> Tensor:
    """``F.conv2d`` with a weight from ``pack_convolution``: x (B, C, H, W) -> (B, C', H', W')."""
    out: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x, packed, bias, list(padding), list(stride), [1, 1], 1, "none", [], ""
    )
    return out


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``F.linear`` by oneDNN instead of MKL: x (..., C) -> (..., C')."""
    out: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return out


def group_norm(x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, *, silu: bool) -> Tensor:
    """``F.group_norm`` and, where asked, ``F.silu`` of it, channels last: x (B, C, H, W) -> (B, C, H, W)."""
    from sukashi.fast import triton_norm  # not everywhere installed

    return triton_norm.group_norm(x, groups, weight, bias, eps, silu=silu)


def product_of_eighths(x: Tensor, weight: Tensor, scale: Tensor, weight_scale: Tensor) -> Tensor:
    """(N, C) by (C', C), both float8_e4m3fn, times scales (N, 1) and (1, C'): (N, C') in bfloat16."""
    out: Tensor = torch._scaled_mm(
        x, weight.t(), scale_a=scale, scale_b=weight_scale, out_dtype=torch.bfloat16, use_fast_accum=False
    )
    return out


def try_group_norm(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A normalisation with SiLU on the GPU, of several tiles and odd sizes, and what it should be."""
    x, weight, bias = (wave.cuda() for wave in waves(dtype, (2, 80, 11, 13), (80,), (80,)))
    x = x + 4
    expected = F.silu(F.group_norm(x.float(), 8, weight.float(), bias.float(), 1e-6))
    return group_norm(x, 8, weight, bias, 1e-6, silu=True), expected


def try_eighths(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A product of float8 numbers on the GPU and the same in float32; what is multiplied is exact in both."""
    a, b, scale, weight_scale = (wave.cuda() for wave in waves(torch.float32, (32, 64), (48, 64), (32, 1), (1, 48)))
    a, b, scale, weight_scale = a.to(torch.float8_e4m3fn), b.to(torch.float8_e4m3fn), scale.abs(), weight_scale.abs()
    expected = (a.float() * scale) @ (b.float().t() * weight_scale)
    return product_of_eighths(a, b, scale, weight_scale).to(dtype), expected


def try_convolution(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A packed convolution and what it should be."""
    x, weight, bias = waves(dtype, (2, 8, 5, 7), (12, 8, 3, 3), (12,))
    x = x.contiguous(memory_format=torch.channels_last)
    packed = pack_convolution(weight, (2, 2), (1, 1), x.shape)
    return convolve(x, packed, bias, (2, 2), (1, 1)), F.conv2d(x, weight, bias, stride=2, padding=1)


def try_linear(dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A linear layer by oneDNN and what it should be."""
    x, weight, bias = waves(dtype, (2, 5, 24), (16, 24), (16,))
    return linear(x, weight, bias), F.linear(x, weight, bias)


TRIALS: dict[str, Callable[[torch.dtype], tuple[Tensor, Tensor]]] = {
    "packed convolution": try_convolution,
    "oneDNN linear": try_linear,
    "fused normalisation": try_group_norm,
    "float8 product": try_eighths,
}


@lru_cache
def problem(name: str, dtype: torch.dtype) -> str:
    """Why an operation of ``TRIALS`` is not used here in this type of number; "" when it works."""
    try:
        with torch.no_grad():
            found, expected = TRIALS[name](dtype)
    except Exception as error:  # a compiler of kernels may raise anything
        return f"this torch has no working {name} in {str(dtype)[6:]}: {(str(error).splitlines() or ['?'])[0]}"
    error_ = ((found.double() - expected.double()).abs().max() / expected.double().abs().max()).item()
    if not error_ <= TOLERANCE.get(dtype, 1e-5):
        return f"the {name} of this torch is off by {error_:.1e} in {str(dtype)[6:]}"
    return ""


def waves(dtype: torch.dtype, *shapes: tuple[int, ...]) -> list[Tensor]:
    """Tensors of numbers in -1 .. 1 that are the same everywhere."""
    made = []
    for phase, shape in enumerate(shapes):
        n = torch.arange(torch.Size(shape).numel(), dtype=torch.float64)
        made.append(torch.sin(0.1 * n * n + n + phase).reshape(shape).to(dtype))
    return made
