"""Copies of a network that share its weights: only the modules that differ are new, so threads may run both."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping
from typing import TypeVar, cast

from torch import nn

Tensors = tuple[nn.Parameter, nn.Parameter | None]
M = TypeVar("M", bound=nn.Module)


def tensors_of(layer: nn.Module) -> Tensors:
    """The weight and the bias of a layer."""
    return cast("nn.Parameter", layer.weight), cast("nn.Parameter | None", layer.bias)


def set_tensors(layer: nn.Module, tensors: Tensors) -> None:
    """Give a layer another weight and bias; whoever holds the old ones keeps them unchanged."""
    weight, bias = tensors
    layer.weight, layer.bias = weight, cast("nn.Parameter", bias)


def shallow(module: nn.Module, kind: type[M]) -> M:
    """A module of class ``kind`` with the same tensors and children as ``module``, in dictionaries of its own."""
    twin = kind.__new__(kind)
    own = {key: copy.copy(value) if isinstance(value, dict | set) else value for key, value in vars(module).items()}
    vars(twin).update(own)
    return twin


def with_modules(net: M, new: Mapping[str, nn.Module]) -> M:
    """A copy of ``net`` with the modules of ``new`` at their dotted paths; everything else is shared with it.

    Raises KeyError for a path that ``net`` does not have.
    """
    twin = shallow(net, type(net))
    inside: dict[str, dict[str, nn.Module]] = defaultdict(dict)
    for path, module in new.items():
        child, _, rest = path.partition(".")
        inside[child][rest] = module
    for child, modules in inside.items():
        old = twin._modules[child]
        if "" in modules:
            twin._modules[child] = modules[""]
        else:
            twin._modules[child] = with_modules(cast("nn.Module", old), modules)
    return twin
