"""A whole guided U-Net call as one CUDA graph: a GPU is then told once, not seven hundred times, what to do.

Recorded are both halves of guidance, the guidance itself and the check for NaN. What follows (reading the output, the
sampler's move) stays outside: a handful of kernels whose numbers change with every step, and a division by a number,
which is not the same to the bit as one by a tensor. A graph is recorded when a call of the same shapes comes for the
second time, and compared with the same call without it; where one bit differs, or recording fails, that is said and
the graph is not used. Not for networks that somebody watches, that hold functions of others, or that keep something
from call to call: those run as they are.
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from sukashi.diffusion.denoiser import Conditioning, guided, read
from sukashi.diffusion.types import Denoise, Level, Prediction
from sukashi.fast.kept import state_of
from sukashi.fast.words import FixedWords
from sukashi.nets.unet import UNet

Tensors = dict[str, Tensor]
Call = Callable[[], Tensors]
KEPT = 4  # graphs at a time: each holds the memory of one call
SAMPLE = Level(t=0.0, alpha=0.0, sigma=1.0)  # at which a prediction of 'sample' is the output itself
PURE = ("torch.nn.", "sukashi.nets.unet", "sukashi.adapters.lora.layers", "sukashi.fast.")
How = tuple[str, Conditioning, "Conditioning | None", float, float]
"""What ``denoiser.guided`` is told beside the U-Net: predicts, wanted, unwanted, scale, rescale."""


@lru_cache
def pool() -> Any:
    """Memory that all graphs share: only one is replayed at a time, and what it gives is copied at once."""
    return torch.cuda.graph_pool_handle()


def record(call: Call) -> Call:
    """Run ``call`` until everything is set up, then record it; what replays it into the same tensors every time."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):  # warm: libraries choose kernels and take memory
        call()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool(), stream, capture_error_mode="thread_local"):
        out = call()

    def replay() -> Tensors:
        graph.replay()
        return out

    return replay


def problem(device: str = "cuda") -> str:
    """Why nothing can be recorded on a device, after trying; "" when a replay gives the bits of the call."""
    try:
        with torch.no_grad(), torch.cuda.device(device):
            x = torch.randn(2, 8, 16, 16, device=device)
            layer = nn.Conv2d(8, 8, 3, padding=1, device=device)
            replay, expected = record(lambda: {"out": layer(x).sin()}), layer(x).sin()
            return "" if torch.equal(replay()["out"], expected) else "a replay gives other numbers"
    except (RuntimeError, AssertionError) as error:
        return (str(error).splitlines() or ["?"])[0]


class Inner(Protocol):
    """What runs the networks that graphs are recorded of: ``twin.Quick``, or ``compiled.Compiled`` around one."""

    def __call__(self, net: Any) -> Any:
        """What is to be run in the place of a network; itself while somebody watches it."""

    def fresh(self, net: Any, words: FixedWords) -> Any:
        """The same for one graph alone, which reads its prompt by ``words``."""


class Kind(NamedTuple):
    """What calls must share to be replays of one graph."""

    net: int
    scale: float | None  # of guidance; None for the network alone
    rescale: float
    shapes: tuple[Hashable, ...]


class Said:
    """A prompt's tensor, to be known again while it lives and stays what it was."""

    def __init__(self, source: Tensor) -> None:
        self.source, self.state = weakref.ref(source), state_of(source)

    def still(self, source: Tensor) -> bool:
        """Whether ``source`` is that prompt."""
        return self.source() is source and self.state == state_of(source)


@dataclass
class Recorded:
    """One graph and the tensors it reads."""

    net: weakref.ref[nn.Module]
    weights: Hashable
    given: Tensors
    words: FixedWords
    replay: Call
    said: Said


class Graphs:
    """net -> what runs it by graphs, around ``inner``; ``whole`` does so with a guided step.

    Threads take turns. ``record`` and ``device`` are for tests, which have no GPU.
    """

    def __init__(self, inner: Inner, record: Callable[[Call], Call] = record, device: str = "cuda") -> None:
        self.inner, self.record, self.device, self.lock = inner, record, device, threading.RLock()
        self.inside = False  # a guided step runs, whose U-Net needs no graph of its own
        self.made: OrderedDict[Kind, Recorded] = OrderedDict()
        self.seen: set[Kind] = set()
        self.refused: dict[Kind, str] = {}
        self.suitable: weakref.WeakKeyDictionary[Any, list[Tensor]] = weakref.WeakKeyDictionary()

    @property
    def notes(self) -> list[str]:
        """What could not be recorded, and why; and what ``inner`` has to say."""
        return list(dict.fromkeys([*self.refused.values(), *getattr(self.inner, "notes", ())]))

    def clear(self) -> None:
        """Give back the memory of every graph."""
        with self.lock:
            self.made.clear()
            self.seen.clear()

    def __call__(self, net: Any) -> Any:
        """What is to be run in the place of ``net``."""
        plain = self.inner(net)
        if not (weights := self.fitting(net, plain)):
            return plain

        def run(x: Tensor, t: Tensor, context: Tensor, **told: Any) -> Tensor:
            given = {"x": x, "t": t, "context": context, **{k: v for k, v in told.items() if isinstance(v, Tensor)}}
            others = [value for value in told.values() if value is not None and not isinstance(value, Tensor)]
            if any(map(len, others)) or torch.is_grad_enabled():  # residuals of a ControlNet
                return cast("Tensor", plain(x, t, context, **told))
            expected = lambda: {"out": plain(x, t, context, **told)}  # noqa: E731
            bind = lambda net, given: lambda: {"out": net(**given)}  # noqa: E731
            return self.run(net, (None, 0.0), given, expected, bind, tuple(map(state_of, weights)))["out"]

        return run

    def whole(self, net: Any, denoise: Denoise, how: How) -> Denoise:
        """``denoise``, which is ``guided(net, *how)`` with its guards, as one graph where that can be."""
        predicts, wanted, unwanted, scale, rescale = how
        both = wanted if unwanted is None or scale == 1 else unwanted if scale == 0 else unwanted + wanted
        weights = tuple(map(state_of, self.fitting(net, self.inner(net))))
        if both.extra is not None or both.acted_on is not None or not weights:
            return denoise
        told = {f.name: value for f in fields(both) if isinstance(value := getattr(both, f.name), Tensor)}
        dtype = next(net.parameters()).dtype

        def bind(net: Any, given: Tensors) -> Call:
            own = {name: value for name, value in given.items() if name != "x"}
            run = lambda x, t, context, **told: net(x.to(dtype), **own)  # noqa: E731
            step = guided(run, "sample", wanted, unwanted, scale, rescale)

            def call() -> Tensors:
                made = step(given["x"], SAMPLE)
                return {"out": made.x0, "finite": torch.isfinite(made.x0).all(), **made.parts}

            return call

        def stepped(x: Tensor, level: Level) -> Prediction:
            rows = len(both.context)
            given = {"x": x, "t": torch.full((rows,), level.t, device=x.device), **told}
            plain: list[Prediction] = []

            def expected() -> Tensors:
                plain.append(denoise(x, level))
                return {"x0": plain[0].x0, "eps": plain[0].eps}

            def told_apart(out: Tensors) -> Tensors:
                found = prediction(out, x, level, predicts)
                return {"x0": found.x0, "eps": found.eps}

            out = self.run(net, (scale, rescale), given, expected, bind, weights, told_apart)
            if plain or not bool(out["finite"]):  # what overflows is computed again by the guard, in float32
                return plain[0] if plain else denoise(x, level)
            return prediction(out, x, level, predicts)

        return stepped

    def fitting(self, net: Any, plain: Any) -> list[Tensor]:
        """The weights of a network that may be recorded, [] for others: it must be on the device, watched by nobody
        (``plain``, what runs it, would be itself then) and a function of its inputs alone.
        """
        weight = next(net.parameters(), None) if type(net) is UNet else None
        if weight is None or weight.device.type != self.device or plain is net:
            return []
        if plain not in self.suitable:  # which is another one when layers or functions of the network were replaced
            pure = all(type(m).__module__.startswith(PURE) and "attend" not in vars(m) for m in net.modules())
            self.suitable[plain] = list(net.parameters()) if pure else []
        return self.suitable[plain]

    def run(
        self,
        net: nn.Module,
        guidance: tuple[float | None, float],
        given: Tensors,
        expected: Call,
        bind: Callable[[Any, Tensors], Call],
        weights: Hashable,
        compared: Callable[[Tensors], Tensors] = lambda out: out,
    ) -> Tensors:
        """What ``bind(net, given)()`` gives, replayed; ``expected()`` where it is not: the first time, or for good."""
        shapes = ((name, value.shape, value.dtype) for name, value in given.items())
        kind = Kind(id(net), *guidance, tuple(shapes))
        with self.lock:
            if self.inside:
                return expected()
            self.inside = True
            try:
                return self.replayed(kind, net, given, expected, bind, weights, compared)
            finally:
                self.inside = False

    def replayed(
        self,
        kind: Kind,
        net: nn.Module,
        given: Tensors,
        expected: Call,
        bind: Callable[[Any, Tensors], Call],
        weights: Hashable,
        compared: Callable[[Tensors], Tensors],
    ) -> Tensors:
        """The same, for the one who holds the lock."""
        found = self.made.get(kind)
        if found is None or found.net() is not net or found.weights != weights:
            self.made.pop(kind, None)
            if kind in self.refused or kind not in self.seen:
                self.seen.add(kind)
                return expected()
            return self.prepared(kind, net, weights, given, expected, bind, compared)
        self.made.move_to_end(kind)
        heard = found.said.still(given["context"])
        for name, value in given.items():
            if name != "context" or not heard:
                found.given[name].copy_(value)
        if not heard:
            found.words.refresh()
            found.said = Said(given["context"])
        return {name: value.clone() for name, value in found.replay().items()}

    def prepared(
        self,
        kind: Kind,
        net: nn.Module,
        weights: Hashable,
        given: Tensors,
        expected: Call,
        bind: Callable[[Any, Tensors], Call],
        compared: Callable[[Tensors], Tensors],
    ) -> Tensors:
        """Record a graph, and keep it if it gives the very bits of ``expected()``, which is what is returned."""
        right = expected()
        words, own = FixedWords(), {name: value.clone() for name, value in given.items()}
        try:
            with torch.no_grad():
                replay = self.record(bind(self.inner.fresh(net, words), own))
                made = compared(replay())
            if different := [name for name, value in right.items() if not torch.equal(value, made[name])]:
                raise RuntimeError(f"{different[0]} is not the same to the bit")
        except RuntimeError as error:  # out of memory too
            self.refused[kind] = f"no CUDA graph: {(str(error).splitlines() or ['?'])[0]}"
            return right
        gone = weakref.ref(net, lambda _: self.made.pop(kind, None))
        self.made[kind] = Recorded(gone, weights, own, words, replay, Said(given["context"]))
        while len(self.made) > KEPT:
            self.made.popitem(last=False)
        return right


def prediction(out: Mapping[str, Tensor], x: Tensor, level: Level, predicts: str) -> Prediction:
    """The output of a recorded step, read as ``predicts`` says."""
    parts = {name: value for name, value in out.items() if name not in ("out", "finite")}
    return read(out["out"], x, level, predicts, **parts)
