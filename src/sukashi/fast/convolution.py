"""Convolutions with their weights in the layout of the machine, computed the way that suits their size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.fast import enlarging, ops, winograd
from sukashi.fast.by_rows import activation
from sukashi.fast.room import alike
from sukashi.nets import unet, vae
from sukashi.nets.shallow import twin_of
from sukashi.pages import in_files, page_out

if TYPE_CHECKING:
    from sukashi.fast.choice import Tools

# Where Winograd pays, as measured (docs/benchmarks.md): enough tiles, wide enough, and not so many weights that
# transforming them at every call costs what it brings. Up to WINOGRAD_KEPT bytes they are kept transformed.
WINOGRAD_AREA, WINOGRAD_WIDTH, WINOGRAD_WEIGHTS, WINOGRAD_KEPT = 768, 128, 4_000_000, 16 << 20
PACKED_AREA = 24 * 24  # above, oneDNN's own rearrangement of a weight does not show beside the sum


def recorded(*tensors: Tensor | None) -> bool:
    """Whether a gradient is wanted; then only documented functions will do."""
    return torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors)


class Convolution(nn.Conv2d):
    """A twin of ``nn.Conv2d``: pictures leave it channels last."""

    tools: Tools

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        if recorded(x, self.weight):
            return super().forward(x)
        x = x.contiguous(memory_format=torch.channels_last)
        area = x.shape[2] * x.shape[3]
        if self.tiled(area):
            return self.by_winograd(x)
        strides, sides = cast("ops.Pair", self.stride), cast("ops.Pair", self.padding)
        if self.tools.packed and area <= PACKED_AREA and (weight := self.kept("packed", 1.0, x)) is not None:
            return ops.convolve(x, weight, alike(x, self.bias, "bias"), strides, sides)
        return F.conv2d(x, alike(x, self.weight, "weight"), alike(x, self.bias, "bias"), strides, sides)

    def of_normalised(self, x: Tensor, norm: nn.GroupNorm) -> Tensor:
        """The convolution of silu(norm(x)): portion by portion, where Winograd works in portions anyway."""
        if recorded(x, self.weight, norm.weight) or not self.tiled(x.shape[2] * x.shape[3]) or not norm.affine:
            h = norm(x)
            return self(F.silu(h, inplace=not recorded(h)))
        x = x.contiguous(memory_format=torch.channels_last)
        return self.by_winograd(x, activation(x, norm))

    def by_winograd(self, x: Tensor, before: winograd.Before | None = None) -> Tensor:
        """For x with channels last."""
        kept = self.kept("winograd", 4.0, x) if 4 * self.weight.numel() * x.element_size() <= WINOGRAD_KEPT else None
        return winograd.convolve(x, self.weight, alike(x, self.bias, "bias"), kept, before)

    def tiled(self, area: int) -> bool:
        """Whether Winograd pays for pictures of so many cells."""
        if not self.tools.winograd or area < WINOGRAD_AREA:
            return False
        plain = self.kernel_size == (3, 3) and self.stride == (1, 1) and self.padding == (1, 1)
        narrow, weights = min(self.in_channels, self.out_channels), self.in_channels * self.out_channels
        return plain and narrow >= WINOGRAD_WIDTH and weights <= WINOGRAD_WEIGHTS

    def of_doubled(self, x: Tensor) -> Tensor | None:
        """The convolution of x doubled by nearest neighbours, (B, C', 2 H, 2 W); None where it does not pay."""
        if recorded(x, self.weight) or self.tiled(4 * x.shape[2] * x.shape[3]) or self.in_channels < WINOGRAD_WIDTH:
            return None
        if not self.tools.enlarging or (weight := self.kept("summed", 16 / 9, x)) is None:
            return None
        bias = None if self.bias is None else self.bias.to(x.dtype).repeat(4)
        x = x.contiguous(memory_format=torch.channels_last)
        if self.tools.packed:
            return enlarging.enlarge(x, lambda y: ops.convolve(y, weight, bias, (1, 1), (1, 1)))
        return enlarging.enlarge(x, lambda y: F.conv2d(y, weight, bias, padding=1))

    def kept(self, kind: str, times: float, x: Tensor) -> Tensor | None:
        """The weight made ready for x in one of three ways, once; None where there is no memory for it."""

        def make() -> Tensor | None:
            weight = self.weight.detach()
            own = weight.numel() * x.element_size()
            idle = kind != "summed" and weight.dtype == x.dtype and in_files([weight]) > 0  # then hardly read again
            replaced = own if idle else 0
            if not self.tools.budget.take(int(times * own) - replaced, needed=kind != "winograd"):
                return None
            sides, strides = cast("ops.Pair", self.padding), cast("ops.Pair", self.stride)
            weight = alike(x, weight, "weight")
            if kind == "winograd":
                made = winograd.transformed(weight)
            elif kind == "packed":
                made = ops.pack_convolution(weight, strides, sides, x.shape)
            else:
                made = enlarging.summed(weight).contiguous(memory_format=torch.channels_last)
                made = ops.pack_convolution(made, (1, 1), (1, 1), x.shape) if self.tools.packed else made
            if replaced:
                page_out(weight)
            return made

        return self.tools.kept.get((kind, x.dtype), self.weight, make)


class Upsample(unet.Upsample, vae.Upsample):
    """A twin of either ``Upsample``: where Winograd does not pay, the doubled picture is never made."""

    def forward(self, x: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """(B, C, H, W) -> (B, C', 2 H, 2 W), or grown to ``size``."""
        h, w = x.shape[2:]
        conv = self.conv
        if isinstance(conv, Convolution) and (size is None or tuple(size) == (2 * h, 2 * w)):
            made = conv.of_doubled(x)
            if made is not None:
                return made
        x = F.interpolate(x, size=size, scale_factor=None if size else 2.0, mode="nearest")
        return cast("Tensor", conv(x))


def convolution(layer: nn.Conv2d, tools: Tools) -> nn.Module | None:
    """The twin of a convolution, or None for one of a kind that no technique is for."""
    if layer.groups != 1 or layer.dilation != (1, 1) or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return None
    twin = twin_of(layer, Convolution)
    twin.tools = tools
    return twin


def upsample(layer: nn.Module) -> nn.Module:
    """The twin of an upsampling layer; its convolution is replaced by itself."""
    return twin_of(layer, Upsample)
