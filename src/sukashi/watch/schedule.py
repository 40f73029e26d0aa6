"""The noise of a run as numbers: what a model was trained with, and which levels a sampler on a grid visits.

Letters: T training steps, t one of them; alpha-bar is the share of the signal's variance that is left after step t.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from sukashi.diffusion.names import resolve
from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.types import Level
from sukashi.watch.plots import Line, Panel

SAMPLED = 101  # points of the training schedule that are shown


@dataclass(frozen=True)
class Walk:
    """The levels that one sampler visits on one grid in so many steps."""

    sampler: str
    grid: str
    steps: int
    calls: int  # of the U-Net
    levels: Sequence[Level]  # steps + 1, noisiest first

    @property
    def label(self) -> str:
        """What to write beside it."""
        return f"{self.sampler}, {self.grid}, {self.steps} steps ({self.calls} calls)"

    def to_dict(self) -> dict[str, Any]:
        """JSON values; an infinite sigma or ratio is null."""
        return {"sampler": self.sampler, "grid": self.grid, "steps": self.steps, "calls": self.calls} | columns(
            self.levels
        )


def columns(levels: Sequence[Level]) -> dict[str, list[float | None]]:
    """Levels as lists: t, sigma (sigma / alpha, the noise for each part of signal), alpha, snr."""
    return {
        "t": [level.t for level in levels],
        "sigma": [finite(level.ve) for level in levels],
        "alpha": [level.alpha for level in levels],
        "snr": [finite(snr(level)) for level in levels],
    }


def snr(level: Level) -> float:
    """The signal-to-noise ratio (alpha / sigma)^2; infinite when clean."""
    return (level.alpha / level.sigma) ** 2 if level.sigma else math.inf


def finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Training:
    """What a model was trained with, at all T steps: each list has T numbers."""

    betas: Sequence[float]  # variance that the step adds
    alphas_cumprod: Sequence[float]  # alpha-bar
    sigma: Sequence[float | None]
    snr: Sequence[float | None]

    @property
    def sampled(self) -> list[tuple[int, float]]:
        """(t, alpha-bar) of some hundred steps, the first and the last among them."""
        last = len(self.alphas_cumprod) - 1
        chosen = np.unique(np.linspace(0, last, min(SAMPLED, last + 1)).round().astype(int)).tolist()
        return [(t, self.alphas_cumprod[t]) for t in chosen]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {key: list(getattr(self, key)) for key in ("betas", "alphas_cumprod", "sigma", "snr")}


def training(schedule: NoiseSchedule) -> Training:
    """The training schedule of a model; betas are 1 - alpha-bar(t) / alpha-bar(t - 1)."""
    bar = schedule.signal.astype(float)
    before = np.concatenate([[1.0], bar[:-1]])
    with np.errstate(divide="ignore"):
        ratio = bar / (1 - bar)
    return Training(
        betas=(1 - bar / before).tolist(),
        alphas_cumprod=bar.tolist(),
        sigma=[finite(value) for value in schedule.ve.tolist()],
        snr=[finite(value) for value in ratio.tolist()],
    )


def walks(
    config: Mapping[str, Any],
    samplers: Sequence[str | None] = (None,),
    grids: Sequence[str | None] = (None,),
    steps: Sequence[int] = (20,),
) -> list[Walk]:
    """Every sampler on every grid in every number of steps, for the model that a scheduler config belongs to.

    None is the sampler the model was published with, and the grid that belongs to a sampler. Raises ValueError for
    names and numbers that cannot be used.
    """
    found = []
    for sampler, grid, n in product(samplers, grids, steps):
        plan = resolve(sampler or config.get("_class_name", "ddim"), grid, config)
        found.append(Walk(plan.sampler, plan.grid, n, plan.calls(n), plan.levels(n)))
    return found


def table(found: Sequence[Walk]) -> str:
    """One walk with all its columns, or several side by side with t and sigma."""
    lines = [walk.label for walk in found]
    if len(found) == 1:
        lines.append(f"{'i':>4}{'t':>10}{'sigma':>12}{'alpha':>11}{'snr':>13}")
        for i, level in enumerate(found[0].levels):
            lines.append(f"{i:4d}{level.t:10.3f}{level.ve:12.5f}{level.alpha:11.6f}{snr(level):13.5g}")
        return "\n".join(lines)
    lines = [f"{chr(65 + k % 26)}: {line}" for k, line in enumerate(lines)]
    lines.append(f"{'i':>4}" + "".join(f"{f't {chr(65 + k % 26)}':>11}{'sigma':>11}" for k in range(len(found))))
    for i in range(max(len(walk.levels) for walk in found)):
        cells = [walk.levels[i] if i < len(walk.levels) else None for walk in found]
        shown = "".join(f"{'':22}" if cell is None else f"{cell.t:11.3f}{cell.ve:11.5f}" for cell in cells)
        lines.append(f"{i:4d}{shown}".rstrip())
    return "\n".join(lines)


def panels(schedule: NoiseSchedule, found: Sequence[Walk]) -> list[Panel]:
    """Four charts: alpha-bar and beta over training steps, and t, sigma and signal-to-noise of each walk by step."""
    known = training(schedule)
    ts = list(range(len(known.betas)))
    trained = [Line("alpha-bar", ts, known.alphas_cumprod), Line("beta / highest beta", ts, scaled(known.betas))]

    def each(value: Any, last: bool = True) -> list[Line]:
        lines = []
        for walk in found:
            levels = walk.levels if last else walk.levels[:-1]
            lines.append(Line(walk.label, list(range(len(levels))), [finite(value(level)) for level in levels], "."))
        return lines

    return [
        Panel("trained with", "training step t", "", trained),
        Panel("what the U-Net is told", "step", "t", each(lambda level: level.t, last=False)),
        Panel("noise for each part of signal", "step", "sigma", each(lambda level: level.ve, last=False), log=True),
        Panel("signal-to-noise ratio", "step", "snr", each(snr, last=False), log=True),
    ]


def scaled(values: Sequence[float]) -> list[float]:
    """Values as shares of the highest."""
    top = max(values)
    return [value / top for value in values]
