"""Half precision on a processor that has no units for it: weights stay as they are, every layer computes in float32.

Such a processor convolves in bfloat16 eighty times slower than in float32. Here a network is given its inputs in
float32, each layer widens its own weights when its turn comes, into memory that the next layer uses again, and what
leaves the network is rounded to the type of its weights. Rounded less, it is closer to float64 than half precision is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from sukashi.fast.convolution import recorded
from sukashi.fast.kept import Kept
from sukashi.fast.room import alike
from sukashi.nets.shallow import twin_of

Net = TypeVar("Net", bound=nn.Module)


class Layer(nn.Module):
    """A layer of class ``plain`` whose tensors are widened at every call, where its input is wider than they are."""

    plain: type[nn.Module]

    def forward(self, x: Tensor) -> Any:
        """As the plain layer, in the type of x."""
        wide = twin_of(self, self.plain)
        for table in (wide._parameters, wide._buffers):
            own = cast("dict[str, Tensor | None]", table)
            own.update({name: alike(x, tensor, f"wide {name}") for name, tensor in own.items()})
        return self.plain.forward(wide, x)


class Table(nn.Module):
    """A table of which only the rows that are asked for are widened."""

    def forward(self, ids: Tensor) -> Tensor:
        """Ids -> rows in float32; in the type of the table where a gradient is wanted."""
        rows = cast("Tensor", super().forward(ids))
        return rows if recorded(rows) else rows.float()


class Wide(nn.Module):
    """A network that takes and gives what it did, and is float32 inside."""

    inputs: Kept  # so that the same prompt is the same tensor at every step

    def asked(self, name: str, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
        """Call the method ``name`` of the class below."""
        call, weight = getattr(super(), name), next(self.parameters())
        given = [x for x in inputs if isinstance(x, Tensor) and x.is_floating_point()]
        if recorded(weight, *given):
            return call(*inputs, **named)
        dtype = given[0].dtype if given else weight.dtype
        inputs, named = (changed(x, self.widened) for x in (inputs, dict(named)))
        return changed(call(*inputs, **named), lambda x: x.to(dtype))

    def widened(self, x: Tensor) -> Tensor:
        """X in float32, the same tensor for the same x."""
        if x.dtype not in (torch.bfloat16, torch.float16):
            return x
        wide: Tensor = self.inputs.get("wide", x, x.float)
        return wide

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """As the network."""
        return self.asked("forward", inputs, named)


class WideAutoencoder(Wide):
    """The same with the three other ways to ask an autoencoder."""

    def posterior(self, *inputs: Any) -> Any:
        """As the autoencoder."""
        return self.asked("posterior", inputs, {})

    def encode(self, *inputs: Any) -> Any:
        """As the autoencoder."""
        return self.asked("encode", inputs, {})

    def decode(self, *inputs: Any) -> Any:
        """As the autoencoder."""
        return self.asked("decode", inputs, {})


def changed(value: Any, change: Any) -> Any:
    """Every floating tensor in a tensor, tuple, list or dict changed; anything else as it is."""
    if isinstance(value, Tensor):
        return change(value) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {key: changed(one, change) for key, one in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(changed(one, change) for one in value))
    return type(value)(changed(one, change) for one in value) if isinstance(value, list | tuple) else value


KINDS: dict[tuple[type[nn.Module], type[nn.Module]], Any] = {}


def kind(of: type[nn.Module], base: type[nn.Module]) -> Any:
    """The class ``base`` over ``of``, made once."""
    return KINDS.setdefault((of, base), type(f"Wide{of.__name__}", (base, of), {}))


def layer(plain: nn.Module) -> nn.Module | None:
    """The twin of a layer that holds tensors and no other layers; None for anything else."""
    own = [x for x in (*plain._parameters.values(), *plain._buffers.values()) if x is not None]
    if not own or plain._modules:
        return None
    if isinstance(plain, nn.Embedding):
        return cast("nn.Module", twin_of(plain, kind(type(plain), Table)))
    made: nn.Module = twin_of(plain, kind(type(plain), Layer))
    vars(made)["plain"] = type(plain)
    return made


def network(net: Net) -> Net:
    """What is asked in the place of a network whose layers are widened."""
    made: Net = twin_of(net, kind(type(net), WideAutoencoder if hasattr(net, "decode") else Wide))
    vars(made)["inputs"] = Kept()
    return made
