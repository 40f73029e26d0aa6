"""Inversion: from a picture back to the noise that a deterministic sampler would draw it from.

The same levels are walked up instead of down. It is exact only in the limit of many steps: on the way up the model is
asked about the cleaner end of every step, on the way down about the noisier one. What a round trip costs is worth
measuring (Mokady et al. 2022, arXiv:2211.09794, sec. 3): it grows with guidance, so invert without.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from sukashi.diffusion.grids import Grid
from sukashi.diffusion.samplers import ddim
from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.types import CLEAN, Denoise, Level, Step


def invert(denoise: Denoise, x: Tensor, levels: Sequence[Level]) -> Iterator[Step]:
    """DDIM inversion (Song et al. 2021, arXiv:2010.02502, sec. 4.3): clean latents x (B, C, H, W) -> noise, by steps.

    ``levels`` fall, as ``Plan.levels`` makes them; they are walked from the last to the first. The last ``x_next`` is
    where a run over the same levels begins:

    >>> levels = plan.levels(50)                            # doctest: +SKIP
    >>> *_, top = invert(denoise, latents, levels)          # doctest: +SKIP
    >>> *_, back = plan.run(denoise, top.x_next, levels, noise)  # doctest: +SKIP

    A model that predicts 'sample' says nothing about the noise in a clean latent: for it the levels must end above.
    """
    return ddim(denoise, x, upward(levels), nothing)


def upward(levels: Sequence[Level]) -> list[Level]:
    """Falling levels from the last to the first, the model being told the step it goes *to* (as diffusers does).

    That is the one it would be told on the way down, so that both ways see the noise through the same question.
    """
    rising = levels[::-1]
    return [*(now._replace(t=to.t) for now, to in pairwise(rising)), rising[-1]]


def nothing() -> Tensor:
    """No noise: nothing is drawn on the way up."""
    raise RuntimeError("an inversion draws no noise")


# ------------------------------------------------------------------------------- the two inverse classes of diffusers


class Upward:
    """The grid of diffusers' ``DDIMInverseScheduler``: another grid, walked up from where it ends."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid

    def __call__(self, schedule: NoiseSchedule, n: int) -> list[Level]:
        """The n + 1 rising levels."""
        return upward([*self.grid(schedule, n)[:-1], schedule.final])


class Rising:
    """The grid of diffusers' ``DPMSolverMultistepInverseScheduler``: each level is told as what it is.

    ``begin`` is the training step it begins at in place of going to its last one: the step that a falling grid with
    ``spare`` 1 leaves out.
    """

    def __init__(self, grid: Grid, begin: int | None = None) -> None:
        self.grid, self.begin = grid, begin

    def __call__(self, schedule: NoiseSchedule, n: int) -> list[Level]:
        """N rising levels; the one they go to is the plan's ``end``."""
        falling = self.grid(schedule, n)[:-1]
        if self.begin is not None:
            falling = [*falling[1:], schedule.at(self.begin)]
        return [*falling[::-1], CLEAN]


def told_end(schedule: NoiseSchedule, last: Level) -> Level:
    """End at the training step that the model was last told."""
    return schedule.at(last.t)


def noisiest_end(schedule: NoiseSchedule, last: Level) -> Level:
    """End at the last training step."""
    return schedule.at(schedule.steps - 1)
