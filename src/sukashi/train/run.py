"""What every training loop needs: a budget, a learning rate, randomness by step, and checkpoints that survive a kill.

All randomness of a step comes from ``(seed, step)``, so that a run which was stopped and resumed goes on bit for bit as
if nothing had happened (with a budget of steps; a budget of minutes depends on the clock).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How long to train: ``steps`` or ``minutes``, whichever is over first (0: no limit, but one must be given)."""

    steps: int = 0
    minutes: float = 0.0

    def __post_init__(self) -> None:
        if self.steps <= 0 and self.minutes <= 0:
            raise ValueError(f"a budget needs steps or minutes above 0, not steps={self.steps}, minutes={self.minutes}")

    def spent(self, step: int, seconds: float) -> float:
        """Share of the budget that is used up, 1 at the end."""
        by_steps = step / self.steps if self.steps > 0 else 0.0
        by_clock = seconds / (60 * self.minutes) if self.minutes > 0 else 0.0
        return max(by_steps, by_clock)


def cosine(peak: float, step: int, spent: float, warmup: int = 100, floor: float = 1e-6) -> float:
    """Learning rate: linear from 0 over ``warmup`` steps, then half a cosine from ``peak`` down to ``floor``."""
    return floor + peak * min(1.0, (step + 1) / warmup) * (0.5 + 0.5 * math.cos(math.pi * min(spent, 1.0)))


def generator(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The randomness of one step."""
    return torch.Generator(device).manual_seed(seed * 1_000_003 + step)


class Run:
    """A loop over steps with checkpoints: ``for step, spent in run`` trains from where ``path`` left off.

    ``parts`` (modules and optimisers by name) are restored from the checkpoint at the start and saved every
    ``save_every`` seconds (or ``save_steps`` steps) and at the end, to a temporary file first. Of several processes
    that train together only one ``writes``.
    """

    def __init__(
        self,
        path: Path,
        budget: Budget,
        parts: dict[str, Any],
        *,
        save_every: float = 180.0,
        save_steps: int = 0,
        writes: bool = True,
    ) -> None:
        self.path, self.budget, self.parts, self.save_every = path, budget, parts, save_every
        self.save_steps, self.writes = save_steps, writes
        self.step, self.seconds = 0, 0.0
        if path.exists():
            saved = torch.load(path, map_location="cpu", weights_only=True)
            for name, part in parts.items():
                part.load_state_dict(saved[name])
            self.step, self.seconds = saved["step"], saved["seconds"]

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """The number of each step and the share of the budget that is spent, until it is."""
        last = saved = time.monotonic()
        unsaved = False
        while (spent := self.budget.spent(self.step, self.seconds)) < 1:
            yield self.step, spent
            now = time.monotonic()
            self.step, self.seconds, last, unsaved = self.step + 1, self.seconds + now - last, now, True
            if now - saved >= self.save_every or (self.save_steps and self.step % self.save_steps == 0):
                self.save()
                saved, unsaved = now, False
        if unsaved:
            self.save()

    def save(self) -> None:
        """Write the checkpoint; the old one stays whole until the new one is."""
        if not self.writes:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".part")
        state = {name: part.state_dict() for name, part in self.parts.items()}
        torch.save({**state, "step": self.step, "seconds": self.seconds}, unfinished)
        os.replace(unfinished, self.path)


class Log:
    """Appends lines to a file and prints them, each with the time of day."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path

    def __call__(self, line: str) -> None:
        """Note one line."""
        stamped = f"{time.strftime('%H:%M:%S')} {line}"
        print(stamped, flush=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(stamped + "\n")


def parameters(*modules: nn.Module) -> int:
    """Number of weights."""
    return sum(p.numel() for module in modules for p in module.parameters())


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, step: int, decay: float = 0.999) -> None:
    """Move the average of the weights towards ``model``, faster at first so that the start is forgotten."""
    share = 1 - min(decay, (1 + step) / (10 + step))
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), share)
