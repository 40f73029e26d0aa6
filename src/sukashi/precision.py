"""What leaves a network is finite, or is computed again in float32, or is an error that names the layer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Out = TypeVar("Out", Tensor, list[Tensor])


class NumericalError(ArithmeticError):
    """A network gave NaN or infinity in float32 too; the message names the network and its first bad layer."""


def finite(x: Tensor | list[Tensor]) -> bool:
    """Whether no value of x, or of several, is NaN or infinite."""
    return all(map(finite, x)) if isinstance(x, list) else bool(torch.isfinite(x).all())


def guarded(net: nn.Module, call: Callable[..., Out], name: str, notes: list[str]) -> Callable[..., Out]:
    """``call(net, x, ...)``, watched: when the output is not finite, the net is run again in float32 and stays there.

    The first input, and lists of tensors, may be more precise than the net, which is given them in its own precision;
    the second run is not.
    The change is said in ``notes``. Raises NumericalError, naming the first layer whose output is not finite, when
    float32 does not help.
    """
    wide: nn.Module | None = None
    dtype = next((p.dtype for p in net.parameters()), torch.float32)

    def run(x: Tensor, *inputs: Any, **named: Any) -> Out:
        nonlocal wide
        if wide is None:
            lists = {key: [one.to(dtype) for one in value] for key, value in named.items() if isinstance(value, list)}
            out = call(net, x.to(dtype), *inputs, **{**named, **lists})
            if finite(out):
                return out
            wide = net if dtype == torch.float32 else copy.deepcopy(net).float()
            if wide is not net:
                notes.append(
                    f"the {name} overflowed in {str(dtype)[6:]}: computed again, and from there on, in float32"
                )
        inputs, named = (x.float(), *map(widen, inputs)), {key: widen(value) for key, value in named.items()}
        out = call(wide, *inputs, **named)
        if not finite(out):
            layer = first_bad_layer(wide, lambda: call(wide, *inputs, **named))
            raise NumericalError(f"the {name} gave NaN or infinity in float32; the first bad layer is {layer}")
        return out

    return run


def widen(value: Any) -> Any:
    """A floating tensor, or a list of them, in float32; anything else as it is."""
    if isinstance(value, list):
        return [widen(one) for one in value]
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def first_bad_layer(net: nn.Module, call: Callable[[], object]) -> str:
    """Run ``call`` once more and name the first leaf module of ``net`` whose output is not finite."""
    bad: list[str] = []

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_: nn.Module, __: Any, out: Any) -> None:
            if isinstance(out, Tensor) and not finite(out):
                bad.append(name)

        return hook

    leaves = [(name, module) for name, module in net.named_modules() if not next(module.children(), None)]
    hooks = [module.register_forward_hook(watch(name)) for name, module in leaves]
    try:
        call()
    finally:
        for handle in hooks:
            handle.remove()
    return bad[0] if bad else "between layers (an attention or a sum)"
