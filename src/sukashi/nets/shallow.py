"""A network beside a network: the same weights, other modules or behaviour, and nothing of the first is touched.

Threads may run both at once.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from torch import Tensor, nn

from sukashi.nets.unet import Attention, TransformerBlock

Net = TypeVar("Net", bound=nn.Module)
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(q, k, v) -> h, each (B, heads, tokens, d): what ``Attention.attend`` is."""


def twin_of(module: nn.Module, kind: type[Net]) -> Net:
    """A module of class ``kind`` with the tensors and children of ``module``, in tables of its own."""
    twin = kind.__new__(kind)
    own = {key: copy.copy(value) if isinstance(value, dict | set) else value for key, value in vars(module).items()}
    vars(twin).update(own)  # the tables of a module: parameters, hooks, children
    return twin


def shallow(net: Net) -> Net:
    """A copy of every module of ``net`` that shares every tensor with it.

    Layers may be replaced and hooks hung on the copy while another thread runs the original.
    """
    twin = twin_of(net, type(net))
    for name, child in net.named_children():
        twin._modules[name] = shallow(child)
    return twin


def with_modules(net: Net, new: Mapping[str, nn.Module]) -> Net:
    """A copy of ``net`` with the modules of ``new`` at their dotted paths; everything else is shared with it.

    Raises KeyError for a path that ``net`` does not have.
    """
    twin = twin_of(net, type(net))
    inside: dict[str, dict[str, nn.Module]] = defaultdict(dict)
    for path, module in new.items():
        child, _, rest = path.partition(".")
        inside[child][rest] = module
    for child, modules in inside.items():
        old = twin._modules[child]
        twin._modules[child] = modules[""] if "" in modules else with_modules(cast("nn.Module", old), modules)
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
