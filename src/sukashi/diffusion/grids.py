"""Grids: which noise levels a run of n steps visits. Each makes n + 1 falling levels, the last one clean.

``leading``, ``linspace`` and ``trailing`` choose training steps (Lin et al. 2023, arXiv:2305.08891, table 2), with the
variants that diffusers' classes have; ``by_sigma`` draws a curve in sigma / alpha; the others are those of k-diffusion,
A1111 and ComfyUI. Where a grid reads sigma between two training steps, diffusers' interpolate it linearly and
k-diffusion's in its logarithm.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np

from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.types import CLEAN, Level


class Grid(Protocol):
    """What makes the levels of a run; an n below 1 or above the number of training steps raises ValueError."""

    def __call__(self, schedule: NoiseSchedule, n: int) -> list[Level]:
        """N + 1 falling levels of ``schedule``."""


def check(schedule: NoiseSchedule, n: int) -> None:
    """Raise ValueError unless 1 <= n <= the training steps."""
    if not 1 <= n <= schedule.steps:
        raise ValueError(
            f"{n} steps cannot be made; accepted: 1 to {schedule.steps}, the steps the model was trained on"
        )


def leading(schedule: NoiseSchedule, n: int, *, spare: int = 0) -> list[Level]:
    """Every (T // n)-th training step from 0 up, plus the schedule's offset (where that is inside the training).

    ``spare`` 1 is the variant of DPM-Solver++, UniPC and DEIS: one step more, of which the last is left out.
    """
    check(schedule, n + spare)
    chosen = np.arange(n + spare)[::-1][:n] * (schedule.steps // (n + spare))
    return given_timesteps(schedule, chosen + min(schedule.offset, schedule.steps - 1 - chosen[0]))


def linspace(schedule: NoiseSchedule, n: int, *, spare: int = 0, whole: bool = True) -> list[Level]:
    """Evenly from the last training step to the first, rounded to ``whole`` steps (Euler and its kin do not round).

    ``spare`` 1 is the variant of DPM-Solver++, UniPC and DEIS: one step more, of which the last (t = 0) is left out.
    """
    check(schedule, n)
    chosen = np.linspace(0, schedule.steps - 1, n + spare)[::-1][:n]
    return given_timesteps(schedule, chosen.round() if whole else chosen)


def trailing(schedule: NoiseSchedule, n: int) -> list[Level]:
    """Evenly, counted from the end so that the last training step is always visited."""
    check(schedule, n)
    return given_timesteps(schedule, np.arange(schedule.steps, 0, -schedule.steps / n).round()[:n] - 1)


def given_timesteps(schedule: NoiseSchedule, timesteps: Iterable[float]) -> list[Level]:
    """The levels of falling training steps (fractional ones too), then clean. Raises ValueError if they do not fall."""
    ts = [float(t) for t in timesteps]
    falling(ts, "timesteps")
    return [*(schedule.at(t) for t in ts), CLEAN]


def given_sigmas(schedule: NoiseSchedule, sigmas: Iterable[float]) -> list[Level]:
    """The levels of falling sigmas (sigma / alpha, as in k-diffusion), then clean, which may be given as a last 0."""
    values = [float(s) for s in sigmas]
    values = values[:-1] if values and values[-1] == 0 else values
    falling(values, "sigmas")
    return [*(schedule.at_ve(s) for s in values), CLEAN]


def falling(values: Sequence[float], what: str) -> None:
    """Raise ValueError unless there are values and none is above the one before."""
    if not values or any(b > a for a, b in pairwise(values)):
        raise ValueError(f"{what} must be a falling list of at least one number, not {list(values)}")


def uniform(schedule: NoiseSchedule, n: int) -> list[Level]:
    """k-diffusion's own (A1111 'Uniform' and 'Normal', ComfyUI 'normal'): even in t, sigma between steps in its log."""
    check(schedule, n)
    return [*(schedule.at(float(t), log=True) for t in np.linspace(schedule.steps - 1, 0, n)), CLEAN]


def sgm_uniform(schedule: NoiseSchedule, n: int) -> list[Level]:
    """``uniform`` with one step more, of which the last (t = 0) is left out (Stability's generative-models)."""
    check(schedule, n)
    return [*(schedule.at(float(t), log=True) for t in np.linspace(schedule.steps - 1, 0, n + 1)[:-1]), CLEAN]


def simple(schedule: NoiseSchedule, n: int) -> list[Level]:
    """Whole training steps counted from the noisiest, T / n apart (ComfyUI, A1111)."""
    check(schedule, n)
    return given_timesteps(schedule, [schedule.steps - 1 - int(i * schedule.steps / n) for i in range(n)])


def ddim_uniform(schedule: NoiseSchedule, n: int) -> list[Level]:
    """Every (T // n)-th training step from 1 up (ComfyUI, A1111 'DDIM').

    Always n steps; the originals make one more where T // n leaves room for it.
    """
    check(schedule, n)
    chosen = np.arange(n)[::-1] * (schedule.steps // n)
    return given_timesteps(schedule, chosen + min(1, schedule.steps - 1 - chosen[0]))


def distilled(schedule: NoiseSchedule, n: int, *, of: int = 50) -> list[Level]:
    """Some of the ``of`` steps an LCM or TCD model was distilled with (arXiv:2310.04378, sec. 4.3)."""
    check(schedule, of)
    if not 1 <= n <= of:
        raise ValueError(f"{n} steps cannot be made; accepted: 1 to {of}, the steps the model was distilled with")
    taught = (np.arange(1, of + 1) * (schedule.steps // of) - 1)[::-1]
    return given_timesteps(schedule, taught[np.floor(np.linspace(0, of, n, endpoint=False)).astype(int)])
