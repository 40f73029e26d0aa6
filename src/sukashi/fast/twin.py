"""A network -> its twin: the same weights in other layers. ``Quick`` keeps twins and sees when one is out of date."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from operator import is_
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import nn

from sukashi.fast import widening
from sukashi.fast.attention import Linear, attention
from sukashi.fast.budget import budget_of, put_aside
from sukashi.fast.choice import Tools, choose
from sukashi.fast.convolution import convolution, upsample
from sukashi.fast.eighths import eighths
from sukashi.fast.kept import Kept
from sukashi.fast.normalising import normalising
from sukashi.fast.residual import residual
from sukashi.nets import unet, vae
from sukashi.nets.shallow import twin_of, with_modules

if TYPE_CHECKING:
    from sukashi.fast.remembered import Encode
    from sukashi.text import TextEmbedding
    from sukashi.weights.parts import Parts

Net = TypeVar("Net", bound=nn.Module)


def twin(net: Net, tools: Tools) -> Net:
    """A copy of ``net`` that shares its weights, with the layers replaced that ``tools`` has something for.

    Only layers of exactly the known classes are replaced: what an adapter or a LoRA put in their place stays.
    """
    new: dict[str, nn.Module | None] = {}
    for name, layer in net.named_modules():
        if type(layer) is nn.Conv2d and (tools.winograd or tools.packed):
            new[name] = convolution(layer, tools)
        elif type(layer) is nn.Linear and (tools.linear or tools.eighths):
            new[name] = twin_of(layer, Linear) if tools.linear else eighths(name, layer, tools)
        elif type(layer) is unet.Attention and (tools.words or tools.chunked or tools.backends):
            new[name] = attention(layer, tools)
        elif tools.fused and (replaced := normalising(layer)) is not None:
            new[name] = replaced
        elif type(layer) in (unet.Upsample, vae.Upsample) and tools.enlarging:
            new[name] = upsample(layer)
        elif type(layer) in (unet.Resnet, unet.FeedForward, vae.Resnet) and tools.lean:
            new[name] = residual(layer)
        elif tools.wide:
            new[name] = widening.layer(layer)
    made = with_inner(net, {name: layer for name, layer in new.items() if layer is not None})
    return widening.network(made) if tools.wide else made


def with_inner(net: Net, new: dict[str, nn.Module]) -> Net:
    """``with_modules`` for replacements some of which lie inside others (the convolution of an upsampling layer)."""
    for name in sorted(new, key=lambda name: -name.count(".")):
        inside = {k[len(name) + 1 :]: v for k, v in new.items() if k.startswith(f"{name}.")}
        if inside:
            new[name] = with_modules(new[name], inside)
    outer = {k: v for k, v in new.items() if not any(k.startswith(f"{other}.") for other in new)}
    return with_modules(net, outer)


@dataclass(frozen=True)
class Known:
    """A network, its twin, and what the network looked like when the twin was made."""

    net: weakref.ref[nn.Module]
    twin: nn.Module
    tools: Tools
    place: tuple[torch.device, torch.dtype]
    tables: list[dict[str, Any]]  # children and weights by name, of every module
    children: list[Any]
    watched: list[dict[str, Any]]  # hooks of every module
    attends: list[dict[str, Any]]

    def fits(self, net: nn.Module) -> bool:
        """Whether ``net`` still looks so."""
        return (
            self.net() is net
            and self.place == place(net)
            and same([*chain.from_iterable(map(dict.values, self.tables))], self.children)
            and not any("attend" in variables for variables in self.attends)
        )


def same(a: list[Any], b: list[Any]) -> bool:
    """Whether two lists hold the very same objects."""
    return len(a) == len(b) and all(map(is_, a, b))


class Quick:
    """net -> its twin, made when first asked for; the net itself while somebody watches it by hooks.

    Pipelines that share layers share what was made from their weights. Threads may share it.
    """

    def __init__(self, *, eighths: bool = False) -> None:
        self.eighths, self.known = eighths, dict[int, Known]()  # whether linear layers are in float8
        self.kept, self.told, self.lock, self.said = Kept(), Kept(), threading.Lock(), list[str]()

    def __call__(self, net: Net) -> Net:
        """What is to be run in the place of ``net``."""
        known = self.known.get(id(net))
        if known is None or not known.fits(net):
            known = self.made(net)
        return net if any(map(len, known.watched)) else cast("Net", known.twin)

    @property
    def notes(self) -> list[str]:
        """What had to fall back on documented functions here, and why."""
        found = [*self.said] + [
            note for known in list(self.known.values()) for note in (*known.tools.notes, known.tools.budget.note)
        ]
        return list(dict.fromkeys(filter(None, found)))

    def tools(self, net: nn.Module) -> Tools:
        """What suits a network, sharing what this keeps."""
        tools = choose(*place(net))
        tools.kept, tools.told, tools.eighths, tools.budget = self.kept, self.told, self.eighths, budget_of(net)
        return tools

    def encoding(self, encode: Encode) -> Encode:
        """``encode`` by the twins of the text encoders, whose memory is given back until the next prompt."""

        def run(parts: Parts, prompts: Sequence[str | None], *, clip_skip: int = 1) -> TextEmbedding:
            encoders = tuple(self(encoder) for encoder in parts.text_encoders)
            made = encode(replace(parts, text_encoders=encoders), prompts, clip_skip=clip_skip)
            for encoder in parts.text_encoders:
                put_aside(encoder)
            return made

        return run

    def fresh(self, net: Net, words: Kept) -> Net:
        """A twin for one recorded graph alone, which keeps the keys and values of its prompt in ``words``."""
        tools = self.tools(net)
        tools.told = words
        return twin(net, tools)

    def made(self, net: nn.Module) -> Known:
        """A new twin, kept as long as the network is."""
        tools = self.tools(net)
        modules = list(net.modules())
        tables = [cast("dict[str, Any]", table) for m in modules for table in (m._modules, m._parameters)]
        known = Known(
            weakref.ref(net, lambda _: self.known.pop(key, None)),
            twin(net, tools),
            tools,
            place(net),
            tables,
            [*chain.from_iterable(map(dict.values, tables))],
            [cast("dict[str, Any]", h) for m in modules for h in (m._forward_hooks, m._forward_pre_hooks)],
            [vars(m) for m in modules if isinstance(m, unet.Attention) and "attend" not in vars(m)],
        )
        key = id(net)
        with self.lock:
            self.known[key] = known
        return known


def place(net: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where a network is and what it computes in."""
    weight = next(net.parameters(), None)
    return (torch.device("cpu"), torch.float32) if weight is None else (weight.device, weight.dtype)
