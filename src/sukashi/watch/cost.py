"""What watching costs: the sampler alone, a plain run, and the same run recorded."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch

from sukashi.run import Run
from sukashi.watch.attention import attention
from sukashi.watch.recording import Recorder

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def cost(
    pipe: Pipeline, prompt: str = "a girl with glasses", *, repeat: int = 7, seed: int = 1, **options: Any
) -> dict[str, float]:
    """Seconds of the steps of one run, by the quickest of ``repeat``, in turns so that a busy machine is so for all.

    'bare': the sampler's generator alone; 'off': a run iterated, nothing watched; 'recorded': every step kept;
    'attention': the cross-attention of every step besides. The first two differ by one generator around another.
    """
    watched = attention(pipe)
    runs = {name: pipe.steps(prompt, seed=seed, **options) for name in ("bare", "off", "recorded")}
    runs["attention"] = watched.steps(prompt, seed=seed, **options)
    ways: dict[str, Callable[[Run], Iterable[object]]] = {
        "bare": lambda run: run.walk(),
        "off": iter,
        "recorded": lambda run: Recorder()(run),
        "attention": lambda run: Recorder()(run),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeat + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            with torch.no_grad():
                deque(way(runs[name]), maxlen=0)
            found[name].append(time.perf_counter() - began)
    return {name: min(times[1:]) for name, times in found.items()}


def table(found: dict[str, float]) -> str:
    """Times and what they are more than the bare loop."""
    about = {
        "bare": "the sampler alone",
        "off": "a run, nothing watched",
        "recorded": "every step kept",
        "attention": "and cross-attention watched",
    }
    lines = [
        f"{about[name]:<30}{value:9.4f} s{100 * (value / found['bare'] - 1):+8.2f} %" for name, value in found.items()
    ]
    return "\n".join(lines)
