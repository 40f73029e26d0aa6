"""Samplers of distilled models, which jump to the clean latent in one look: LCM and TCD."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from sukashi.diffusion.moves import add_noise
from sukashi.diffusion.types import Denoise, Level, Noise, Step


def lcm(
    denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise, *, timestep_scaling: float = 10.0
) -> Iterator[Step]:
    """Latent consistency (Luo et al. 2023, arXiv:2310.04378, algorithm 3): jump to the clean latent, noise it again.

    The jump is c_skip x + c_out x0 with a boundary at t = 0, where it must return x (Song et al. 2023,
    arXiv:2303.01469, eq. 5 and 25, sigma_data 1/2). The last jump is the picture.
    """
    for now, to in pairwise(levels):
        p = denoise(x, now)
        t, data = timestep_scaling * now.t, 0.5
        jump = data**2 / (t**2 + data**2) * x + t / math.hypot(t, data) * p.x0
        x_next = jump if to is levels[-1] else to.alpha * jump + to.sigma * noise()
        yield Step(now, to, x, p, x_next)
        x = x_next


def tcd(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[Level],
    noise: Noise,
    *,
    at_step: Callable[[float], Level],
    eta: float = 0.3,
) -> Iterator[Step]:
    """Trajectory consistency (Zheng et al. 2024, arXiv:2402.19159, algorithm 4): jump below the target, then noise.

    ``eta`` is the paper's gamma: 0 is deterministic, 1 jumps to (almost) clean each time. ``at_step(t)`` is the level
    of a training step.
    """
    for now, to in pairwise(levels):
        p = denoise(x, now)
        last = to is levels[-1]
        down = to if last else at_step(math.floor((1 - eta) * to.t))
        x_next = down.alpha * p.x0 + down.sigma * p.eps
        if eta and not last:
            x_next = add_noise(x_next, noise(), down, to)
        yield Step(now, to, x, p, x_next)
        x = x_next
