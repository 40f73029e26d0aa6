"""Samplers that look ahead half a step and then add fresh noise: DPM++ 2S a and DPM++ SDE (Crowson, k-diffusion).

Their formulas are k-diffusion's ``sample_dpmpp_2s_ancestral`` and ``sample_dpmpp_sde``, on DPM-Solver++
(arXiv:2211.01095). The SDE versions of 2M and 3M are ``multistep.dpmpp`` with eta 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from sukashi.diffusion.moves import add_noise, exponential_step
from sukashi.diffusion.samplers import At, step_down
from sukashi.diffusion.types import Denoise, Level, Noise, Step


def dpmpp_2s_a(
    denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise, *, at: At, eta: float = 1.0
) -> Iterator[Step]:
    """DPM++ 2S a: a second-order single step to below the target (look half way, go all the way), then fresh noise."""
    for now, to in pairwise(levels):
        p = denoise(x, now)
        down = at(step_down(now, to, eta))
        if down.sigma:
            middle = at(math.sqrt(now.ve * down.ve))
            halfway = denoise(exponential_step(x, now, middle, p.x0), middle)
            x_next = exponential_step(x, now, down, halfway.x0)
        else:
            x_next = exponential_step(x, now, down, p.x0)
        if eta and to.sigma:
            x_next = add_noise(x_next, noise(), down, to)
        yield Step(now, to, x, p, x_next)
        x = x_next


def dpmpp_sde(
    denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise, *, at: At, eta: float = 1.0
) -> Iterator[Step]:
    """DPM++ SDE: an ancestral step half way, whose look then serves the whole ancestral step.

    Both steps feel the same Brownian path: the noise of the whole is the noise of its two halves, drawn here as two
    plain Gaussians. That is what k-diffusion and diffusers draw from a torchsde tree in distribution, but not number by
    number, so a seed gives another picture than theirs.
    """
    for now, to in pairwise(levels):
        p = denoise(x, now)
        if to.sigma:
            middle = at(math.sqrt(now.ve * to.ve))
            early, late = (noise(), noise()) if eta else (0 * x, 0 * x)
            x_middle = ancestral_step(x, p.x0, early, now, middle, at, eta)
            share = math.sqrt((now.ve - middle.ve) / (now.ve - to.ve))  # Brownian time is sigma / alpha
            whole = share * early + math.sqrt(1 - share**2) * late
            x_next = ancestral_step(x, denoise(x_middle, middle).x0, whole, now, to, at, eta)
        else:
            x_next = exponential_step(x, now, to, p.x0)
        yield Step(now, to, x, p, x_next)
        x = x_next


def ancestral_step(x: Tensor, x0: Tensor, noise: Tensor, now: Level, to: Level, at: At, eta: float) -> Tensor:
    """A first-order step to below ``to``, then up to it with fresh noise; all tensors (B, C, H, W)."""
    down = at(step_down(now, to, eta))
    return add_noise(exponential_step(x, now, down, x0), noise, down, to)
