"""iPNDM: PLMS without its second look at the first step, and the schedule of the audio models that use it.

Liu et al. 2022, arXiv:2202.09778 (the linear multistep method of sec. 3.3); 'improved' by Zhang & Chen 2023,
arXiv:2204.13902, in that it begins with lower orders instead of Runge-Kutta steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from torch import Tensor

from sukashi.diffusion.grids import check
from sukashi.diffusion.moves import mixed
from sukashi.diffusion.pndm import ADAMS
from sukashi.diffusion.schedule import TINY_SIGNAL, NoiseSchedule
from sukashi.diffusion.scheduler_config import complete
from sukashi.diffusion.types import CLEAN, Denoise, Level, Noise, Step

NO_SIGNAL = 1e-8  # what diffusers divides by in place of no signal


def ipndm(
    denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise, *, order: int = 4, first: int = 0
) -> Iterator[Step]:
    """Adams-Bashforth with fixed weights (arXiv:2202.09778, eq. 12), of order 1, 2 ... up to ``order`` (at most 4).

    At a level without any signal diffusers takes eps for all of x and so goes on with x0 = 0, whatever the model said;
    so do we.
    """
    past: list[Tensor] = []  # noise predictions, newest first
    for now, to in list(pairwise(levels))[first:]:
        p = denoise(x, now)
        past = [p.eps, *past[: order - 1]]
        eps = mixed(ADAMS[len(past) - 1], past)
        x_next = to.alpha * (x - now.sigma * eps) / max(now.alpha, NO_SIGNAL) + to.sigma * eps
        yield Step(now, to, x, p, x_next)
        x = x_next


class SineSchedule(NoiseSchedule):
    """The schedule of diffusers' ``IPNDMScheduler`` (Dance Diffusion, audio): sigma = sin^2 of a quarter turn.

    The model predicts v and is told the angle of (alpha, sigma) as a share of a quarter turn, 0 ... 1. There are no
    training steps but for counting: step i of T lies (i + 1) / T of the way. The last has no signal; with
    ``finite_sigma`` it has 2**-24.
    """

    def __init__(self, config: Mapping[str, Any] | None = None, *, finite_sigma: bool = False) -> None:
        self.config = complete({"_class_name": "IPNDMScheduler", **(config or {})})
        self.steps = self.config["num_train_timesteps"]
        self.least = TINY_SIGNAL if finite_sigma else 0.0
        levels = [self.at(i) for i in range(self.steps)]
        self.signal = np.array([level.alpha**2 for level in levels])
        self.ve = np.array([level.ve for level in levels])
        self.log_ve = np.log(self.ve)
        self.predicts, self.offset, self.final = "v_prediction", 0, CLEAN

    def at(self, t: float, *, log: bool = False) -> Level:
        """The level of a step (0 ... T - 1), fractional ones too; its ``t`` is what the model is told."""
        if not 0 <= t <= self.steps - 1:
            raise ValueError(f"timestep {t} is outside the training steps 0 to {self.steps - 1}")
        sigma = math.sin((t + 1) / self.steps * math.pi / 2) ** 2
        alpha = math.sqrt(max(1 - sigma**2, self.least))
        return Level(math.atan2(sigma, alpha) / math.pi * 2, alpha, sigma)

    def at_ve(self, ve: float) -> Level:
        """The level with ``ve`` = sigma / alpha."""
        return super().at_ve(ve)._replace(t=math.atan(ve) / math.pi * 2) if ve else CLEAN


def even_turn(schedule: NoiseSchedule, n: int) -> list[Level]:
    """The grid of ``IPNDMScheduler``: n even steps of the quarter turn, the noisiest first, then clean."""
    check(schedule, n)
    return [*(schedule.at(schedule.steps * (n - i) / n - 1) for i in range(n)), CLEAN]
