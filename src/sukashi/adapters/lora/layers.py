"""Layers that compute with a changed weight, the weight itself staying what it was.

They keep the names of their tensors and are layers of the class they stand for, so that whatever walks a network finds
them in their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.adapters.lora.formulas import Change
from sukashi.nets.shallow import twin_of

Weighted: TypeAlias = tuple[Change, float]  # and the user's factor
Tensors: TypeAlias = tuple[nn.Parameter, nn.Parameter | None]


def tensors_of(layer: nn.Module) -> Tensors:
    """The weight and the bias of a layer."""
    return cast("nn.Parameter", layer.weight), cast("nn.Parameter | None", layer.bias)


def set_tensors(layer: nn.Module, tensors: Tensors) -> None:
    """Give a layer another weight and bias; whoever holds the old ones keeps them unchanged."""
    weight, bias = tensors
    layer.weight, layer.bias = weight, cast("nn.Parameter", bias)


class Adapted(nn.Module):
    """What the layers below share: ``changes`` and their factors, which move with the layer but are not saved."""

    changes: tuple[Weighted, ...]

    def keep(self, changes: Sequence[Weighted]) -> None:
        """Hold ``changes``, their factors in the precision of the layer and on its device."""
        self.changes, (weight, _) = tuple(changes), tensors_of(self)
        for i, (change, _) in enumerate(changes):
            for name, factor in change.factors.items():
                self.register_buffer(f"{name}_{i}", factor.to(weight), persistent=False)

    def held(self) -> list[Weighted]:
        """The changes with the factors as this layer holds them."""
        return [
            (replace(change, factors={name: getattr(self, f"{name}_{i}") for name in change.factors}), factor)
            for i, (change, factor) in enumerate(self.changes)
        ]

    def tensors(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias with every change added."""
        return changed(*tensors_of(self), self.held())

    @property
    def sums(self) -> bool:
        """Whether the changes can be added to the output."""
        return all(change.sums for change, _ in self.changes)


class AdaptedLinear(Adapted, nn.Linear):
    """W x + factor * up (down x); where a change is no such sum, (W + dW) x."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., i) -> (..., o)."""
        if not self.sums:
            return F.linear(x, *self.tensors())
        out = F.linear(x, self.weight, self.bias)
        for change, factor in self.held():
            f = change.factors
            low = F.linear(x, f["down"].flatten(1))  # (..., i) -> (..., r)
            out = out + (factor * change.scale) * F.linear(low, f["up"].flatten(1))
        return out


class AdaptedConv(Adapted, nn.Conv2d):
    """The same for a convolution: down has its kernel and stride (or ``mid`` has), up is 1x1."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, i, H, W) -> (B, o, H', W')."""
        if not self.sums:
            return self._conv_forward(x, *self.tensors())
        out = self._conv_forward(x, self.weight, self.bias)
        for change, factor in self.held():
            f = change.factors
            if "mid" in f:
                low = self._conv_forward(F.conv2d(x, f["down"].flatten(1)[:, :, None, None]), f["mid"], None)
            else:
                low = self._conv_forward(x, f["down"].reshape(-1, *self.weight.shape[1:]), None)
            out = out + (factor * change.scale) * F.conv2d(low, f["up"].flatten(1)[:, :, None, None])
        return out


class AdaptedGroupNorm(Adapted, nn.GroupNorm):
    """A norm with another weight and bias."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, ...) -> the same shape."""
        return F.group_norm(x, self.num_groups, *self.tensors(), self.eps)


class AdaptedLayerNorm(Adapted, nn.LayerNorm):
    """A norm with another weight and bias."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> the same shape."""
        return F.layer_norm(x, self.normalized_shape, *self.tensors(), self.eps)


KINDS: dict[type[nn.Module], type[Adapted]] = {
    nn.Linear: AdaptedLinear,
    nn.Conv2d: AdaptedConv,
    nn.GroupNorm: AdaptedGroupNorm,
    nn.LayerNorm: AdaptedLayerNorm,
}


def adapted(layer: nn.Module, changes: Sequence[Weighted]) -> Adapted:
    """A layer beside ``layer``, sharing its tensors, with ``changes`` on top of those it already has."""
    kind = next(ours for theirs, ours in KINDS.items() if isinstance(layer, theirs))
    twin = twin_of(layer, kind)
    twin.keep([*(layer.changes if isinstance(layer, Adapted) else ()), *changes])
    return twin


def merged(layer: nn.Module, changes: Sequence[Weighted]) -> nn.Module:
    """A layer beside ``layer`` with new tensors that have ``changes`` in them."""
    twin = twin_of(layer, type(layer))
    _, old_bias = tensors_of(layer)
    weight, bias = changed(*tensors_of(layer), changes)
    new_bias = old_bias if bias is None or bias is old_bias else nn.Parameter(bias, requires_grad=False)
    set_tensors(twin, (nn.Parameter(weight, requires_grad=False), new_bias))
    return twin


def changed(weight: Tensor, bias: Tensor | None, changes: Sequence[Weighted]) -> tuple[Tensor, Tensor | None]:
    """W + sum of factor * dW, every dW that of the unchanged W, and the bias; in float32, given back as they came."""
    with torch.no_grad():
        new, new_bias = weight.float(), bias
        for change, factor in changes:
            there = change.on(weight.device)
            new = new + factor * there.delta(weight)
            if "bias" in there.factors:
                more = factor * there.factors["bias"].float().flatten()
                new_bias = (more if new_bias is None else new_bias.float() + more).to(weight.dtype)
        return new.to(weight.dtype), new_bias
