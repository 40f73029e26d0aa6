"""A whole U-Net call as one CUDA graph: a GPU is then told once, not seven hundred times, what to do.

The kernels are the same ones, so the numbers are too. Opt-in, and **not yet run on a GPU**: what is tested is the
keeping of graphs and of their inputs, on a CPU with a stand-in for the recording.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from sukashi.nets.unet import UNet

P = TypeVar("P")
Tensors = dict[str, Tensor]
Replay = Callable[[], Tensor]


def record(net: nn.Module, given: Tensors) -> Replay:
    """Run ``net`` on the tensors ``given`` until everything is set up, then record it; what replays it.

    A replay reads these very tensors again and returns the same output tensor every time.
    """
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # warm: libraries choose kernels and take memory
        for _ in range(3):
            net(**given)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out: Tensor = net(**given)

    def replay() -> Tensor:
        graph.replay()
        return out

    return replay


class Graphs:
    """net -> what runs it by graphs, one for every set of shapes; in the place of ``twin.Quick``.

    Not for networks that are watched by hooks, told residuals, or asked for gradients: they run as they are. A change
    of weights makes new graphs. Threads take turns.
    """

    def __init__(self, record: Callable[[nn.Module, Tensors], Replay] = record, device: str = "cuda") -> None:
        self.record, self.device, self.lock = record, device, threading.Lock()
        self.made: dict[Hashable, tuple[weakref.ref[UNet], tuple[int, ...], Tensors, Replay]] = {}

    def __call__(self, net: Any) -> Any:
        """What is to be run in the place of ``net``."""
        weight = next(net.parameters(), None)
        if not isinstance(net, UNet) or weight is None or weight.device.type != self.device:
            return net
        if any(m._forward_hooks or m._forward_pre_hooks for m in net.modules()):
            return net
        return lambda *inputs, **told: self.run(net, *inputs, **told)

    def run(self, net: UNet, x: Tensor, t: Tensor, context: Tensor, **told: Any) -> Tensor:
        """``net(x, t, context, **told)``."""
        given = {"x": x, "t": t, "context": context, **{k: v for k, v in told.items() if isinstance(v, Tensor)}}
        others = [value for value in told.values() if value is not None and not isinstance(value, Tensor)]
        if any(map(len, others)) or torch.is_grad_enabled():
            return cast("Tensor", net(x, t, context, **told))
        key = (id(net), *((name, value.shape, value.dtype) for name, value in given.items()))
        weights = tuple(weight.data_ptr() for weight in net.parameters())
        with self.lock:
            found = self.made.get(key)
            if found is None or found[0]() is not net or found[1] != weights:
                own = {name: value.clone() for name, value in given.items()}
                gone = weakref.ref(net, lambda _: self.made.pop(key, None))
                found = (gone, weights, own, self.record(net, own))
                self.made[key] = found
            for name, value in given.items():
                found[2][name].copy_(value)
            return found[3]().clone()


def with_graphs(pipe: P) -> P:
    """A copy of a pipeline on a CUDA device whose U-Net runs as CUDA graphs. Raises ValueError on another device."""
    twin: Any = copy.copy(pipe)
    if twin.device.type != "cuda":
        raise ValueError(f"the model is on {twin.device}; CUDA graphs need a CUDA device")
    twin.quick = Graphs()
    twin.loading = {**twin.loading, "fast": "graphs"}
    made: P = twin
    return made
