"""Models that are larger than the memory of the GPU: networks stay in main memory and come to it when they are used.

A network is copied there when it is asked for, and stays as long as there is room; the one that was used longest ago
goes first. One that does not fit even alone comes layer by layer at every call. Latents stay in main memory: what
travels with each call is small. Nothing of the network itself is touched.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sukashi import memory
from sukashi.fast.normalising import channels_last
from sukashi.fast.remembered import Encode
from sukashi.nets.shallow import shallow
from sukashi.text import TextEmbedding
from sukashi.weights.parts import Parts

Move = Callable[[Tensor], Tensor]
SHARE = 0.7  # of what is free, for the weights of the network that runs; the rest is for what it computes
MOVED = ("decode", "encode", "posterior")  # what is called of an autoencoder


class Layer(nn.Module):
    """A layer whose weights are fetched for every call and dropped after it."""

    def __init__(self, layer: nn.Module, move: Move) -> None:
        super().__init__()
        vars(self)["layer"], self.move = layer, move  # no child: nobody is to find weights of another device here

    def forward(self, *given: Tensor, **named: Any) -> Any:
        """As the layer."""
        return fetched(vars(self)["layer"], self.move)(*given, **named)


def fetched(net: nn.Module, move: Move) -> nn.Module:
    """A copy of a network whose tensors were moved; the network stays where it is."""
    twin = shallow(net)
    for module in twin.modules():
        bring(module, move)
    return twin


def bring(module: nn.Module, move: Move) -> None:
    """Replace the tensors of one module, not of those inside it, by moved ones."""
    for name, weight in module._parameters.items():
        if weight is not None:
            module._parameters[name] = nn.Parameter(move(weight.detach()), requires_grad=False)
    for name, value in module._buffers.items():
        if value is not None:
            module._buffers[name] = move(value)


def layer_by_layer(net: nn.Module, move: Move) -> nn.Module:
    """A copy of a network whose innermost layers fetch their weights when they are called."""
    twin = shallow(net)
    for module in [module for module in twin.modules() if next(module.children(), None) is not None]:
        bring(module, move)  # what is beside the layers is small
        for name, child in module.named_children():
            if next(child.children(), None) is None and next(child.parameters(), None) is not None:
                module._modules[name] = Layer(child, move)
    return twin


def size(net: nn.Module) -> int:
    """Bytes of a network's weights."""
    return sum(weight.numel() * weight.element_size() for weight in net.parameters())


class Moved:
    """A network in main memory that runs somewhere else: called, or asked to decode, as the network itself."""

    def __init__(self, net: Any, there: Offload) -> None:
        self.net, self.there = net, there

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """As the network; what comes back is where the first input is."""
        return self.there.run(self.net, "__call__", inputs, named)

    def __getattr__(self, name: str) -> Any:
        """A method that is run there, or anything else as it is."""
        if name in MOVED:
            return lambda *inputs, **named: self.there.run(self.net, name, inputs, named)
        return getattr(self.net, name)


class Offload:
    """net -> what runs it on ``device``, by what ``inner`` makes of it there. Threads take turns.

    ``free`` and ``move`` are for tests: how much memory is left there, and how a tensor gets there.
    """

    def __init__(
        self,
        inner: Callable[[Any], Any],
        device: torch.device,
        free: Callable[[torch.device], int | None] = memory.free,
        move: Move | None = None,
    ) -> None:
        self.inner, self.device, self.free, self.lock = inner, device, free, threading.RLock()
        self.move: Move = move or (lambda x: x.to(device, non_blocking=True))
        self.there: OrderedDict[int, tuple[weakref.ref[nn.Module], Any]] = OrderedDict()
        self.said: list[str] = []

    @property
    def notes(self) -> list[str]:
        """What did not fit, and what ``inner`` has to say."""
        return [*dict.fromkeys(self.said), *getattr(self.inner, "notes", ())]

    def __call__(self, net: Any) -> Any:
        """What is to be run in the place of ``net``."""
        return Moved(net, self)

    def run(self, net: Any, name: str, inputs: Sequence[Any], named: dict[str, Any]) -> Any:
        """Call a network's method there; tensors come back to where the first input is."""
        home = inputs[0].device
        with self.lock:
            quick = self.resident(net)
            if name == "decode":  # in tiles where the memory there is short
                return memory.decode(quick, self.move(inputs[0]), self.said).to(home)
            call = quick if name == "__call__" else getattr(quick, name)
            out = call(*self.moved(inputs), **{key: self.moved(value) for key, value in named.items()})
        return out.to(home) if isinstance(out, Tensor) else type(out)(one.to(home) for one in out)

    def moved(self, value: Any) -> Any:
        """Tensors, and those in lists, there; anything else as it is."""
        if isinstance(value, list | tuple):
            return [self.moved(one) for one in value]
        return self.move(value) if isinstance(value, Tensor) else value

    def resident(self, net: nn.Module) -> Any:
        """What runs a network there: whole if it fits once others made room, else layer by layer."""
        found = self.there.get(id(net))
        if found is not None and found[0]() is net:
            self.there.move_to_end(id(net))
            return found[1]
        while (lacking := self.lacking(net)) and self.there:
            self.drop(next(iter(self.there)))
        if lacking:
            self.said.append(
                f"a network of {memory.amount(size(net))} does not fit on {self.device}: it comes there layer by layer"
            )
            made: Any = layer_by_layer(net, self.move)
        else:
            copied = fetched(net, self.move)
            channels_last(copied) if self.device.type == "cuda" else None
            made = self.inner(copied)
            if made is not copied:
                made = Together(copied, made)
        key = id(net)
        self.there[key] = (weakref.ref(net, lambda _: self.there.pop(key, None)), made)
        return made

    def lacking(self, net: nn.Module) -> bool:
        """Whether there is no room for a network."""
        there = self.free(self.device)
        return there is not None and size(net) > SHARE * there

    def drop(self, key: int) -> None:
        """Give back the memory of one network there."""
        self.there.pop(key, None)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()

    def encoding(self, encode: Encode) -> Encode:
        """``encode`` with the text encoders there, and what comes of it here."""

        def run(parts: Parts, prompts: Sequence[str | None], *, clip_skip: int = 1) -> TextEmbedding:
            with self.lock:
                there = [self.resident(encoder) for encoder in parts.text_encoders]
                encoders: Any = tuple(one.net if isinstance(one, Together) else one for one in there)
                found = encode(replace(parts, text_encoders=encoders), prompts, clip_skip=clip_skip)
            home = next(parts.unet.parameters()).device
            pooled = None if found.pooled is None else found.pooled.to(home)
            return found._replace(context=found.context.to(home), pooled=pooled)

        return run


class Together:
    """A copied network and what runs it, which knows it only weakly."""

    def __init__(self, net: nn.Module, run: Any) -> None:
        self.net, self.run = net, run

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """As what runs it."""
        return self.run(*inputs, **named)

    def __getattr__(self, name: str) -> Any:
        """What it has."""
        return getattr(self.run, name)
