"""What a step costs around torch's own calls: Python, modules, sampler, checks, on both sides."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.measure import Row, compare, say
from benchmarks.pipelines import inside, per_step, same_picture

Call = tuple[Any, tuple[Any, ...], dict[str, Any]]


class Calls(TorchDispatchMode):
    """Remembers every call that reaches torch's kernels, with its tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Call] = []

    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Remember and do it."""
        self.seen.append((call, args, kwargs or {}))
        return call(*args, **(kwargs or {}))


def step_calls(draw: Callable[[int], object]) -> list[Call]:
    """The calls of one step: as many as a run of three steps makes beyond one of two, from the middle of the former."""
    draw(3)  # what is prepared once is not of a step
    seen = []
    for steps in (2, 3):
        with Calls() as calls:
            draw(steps)
        seen.append(calls.seen)
    more = len(seen[1]) - len(seen[0])
    first = (len(seen[1]) - more) // 2
    return seen[1][first : first + more]


def seconds(calls: list[Call], turns: int = 9) -> float:
    """The median time of making the calls again, one after the other, with nothing between them."""
    times = []
    with torch.no_grad():
        for _ in range(turns):
            start = time.perf_counter()
            for call, args, kwargs in calls:
                call(*args, **kwargs)
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def compiled(folder: Path, runs: int, *, what: str, size: int, device: str) -> list[Row]:
    """One more step of ours with ``compile=True`` beside theirs as it is; compiling is not counted."""
    sides = per_step(folder, device, size, ours="compiled")
    return [compare(f"one more step, {what}, compile=True", "s", *sides, runs)]


def overhead(folder: Path, runs: int, *, what: str, size: int, device: str) -> list[Row]:
    """One more step of a small model, torch's share of it, and the rest: the overhead."""
    said = same_picture(folder, device, 20, size)
    whole = compare(f"one more step, {what}", "s", *per_step(folder, device, size), runs, agreement=said)
    found = []
    for name in ("ours", "theirs"):
        pipe, draw = inside(name, folder, device)
        found.append(step_calls(lambda steps, pipe=pipe, draw=draw: draw(pipe, steps, size)))
    ours, theirs = found
    names = f"{len(ours)} and {len(theirs)} calls"
    alone = compare(
        f"calls of torch in it, {what}", "s", lambda: seconds(ours), lambda: seconds(theirs), runs, agreement=names
    )
    mine, other = max(whole.ours - alone.ours, 0.0), max(whole.theirs - alone.theirs, 1e-9)
    rest = Row(
        name=f"what stands around them, {what}",
        unit="s",
        ours=mine,
        theirs=other,
        ratio=mine / other,
        runs=runs,
        spread=max(whole.spread, alone.spread),
        agreement="the difference of the two rows above",
    )
    say(rest)
    return [whole, alone, rest]
