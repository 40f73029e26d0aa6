"""The operations of torch that are not in its documentation, in one place, and whether they work here.

``torch.ops.mkldnn`` is how Inductor reaches oneDNN; names and arguments may change with any version of torch. Each is
tried once per type of number on this machine, against the documented function; where it is missing, raises or gives
other numbers, ``problem`` says so and its callers use the documented function. None of them has a gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2, torch.float16: 4e-3}  # as a part of the largest value
Pair = tuple[int, int]


def pack_convolution(weight: Tensor, stride: Pair, padding: Pair, size: torch.Size) -> Tensor:
    """A weight (C', C, k, k) in the layout that oneDNN wants for pictures of ``size`` (B, C, H, W); opaque."""
    nearest = weight.contiguous(memory_format=torch.channels_last)
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
}


@lru_cache
def problem(name: str, dtype: torch.dtype) -> str:
    """Why an operation of ``TRIALS`` is not used here in this type of number; "" when it works."""
    try:
        with torch.no_grad():
            found, expected = TRIALS[name](dtype)
    except (AttributeError, RuntimeError, NotImplementedError, TypeError, ValueError) as error:
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
