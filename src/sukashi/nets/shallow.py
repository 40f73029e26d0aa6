"""A network beside a network: the same weights, other behaviour, and nothing of the first is touched."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

from torch import Tensor, nn

from sukashi.nets.unet import Attention, TransformerBlock

Net = TypeVar("Net", bound=nn.Module)
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(q, k, v) -> h, each (B, heads, tokens, d): what ``Attention.attend`` is."""


def shallow(net: Net) -> Net:
    """A copy of every module of ``net`` that shares every tensor with it.

    Layers may be replaced and hooks hung on the copy while another thread runs the original.
    """
    twin = copy.copy(net)
    for name, value in vars(net).items():  # the tables of a module: parameters, hooks, children
        if isinstance(value, dict):
            twin.__dict__[name] = value.copy()
    for name, child in net.named_children():
        twin._modules[name] = shallow(child)
    return twin


def attentions(net: nn.Module, *, to_text: bool) -> dict[str, Attention]:
    """The attention layers of a U-Net by name: those that read the prompt (``to_text``), or those that do not."""
    found: dict[str, tuple[Attention, bool]] = {}
    for name, block in net.named_modules():
        if isinstance(block, TransformerBlock):
            found |= {f"{name}.attn1": (block.attn1, block.cross_only), f"{name}.attn2": (block.attn2, True)}
    return {name: layer for name, (layer, reads) in found.items() if reads == to_text}


def with_attend(net: Net, replaced: Callable[[str, Attention], Attend | None], *, to_text: bool) -> Net:
    """A shallow copy of a U-Net whose attention layers compute by other functions.

    ``replaced(name, layer)`` is told a layer of the copy by name and gives another way to attend, or None to keep it.
    """
    twin = shallow(net)
    for name, layer in attentions(twin, to_text=to_text).items():
        if (attend := replaced(name, layer)) is not None:
            vars(layer)["attend"] = attend  # goes before the method of the class
    return twin
