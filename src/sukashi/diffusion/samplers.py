"""Samplers walk a latent from noise to image. Each is a generator that yields one ``Step`` per noise level.

A sampler never sees the U-Net, the prompt or guidance: it is handed ``denoise(x, level) -> Prediction`` and a source of
``noise()``. Everything it remembers between steps is a local variable. x is (B, C, H, W) in variance preserving
coordinates, ``levels`` falls from noisy to clean, ``at(sigma / alpha)`` makes the levels in between.

This file holds the methods that follow eps: DDIM, DDPM, Euler, Heun and DPM2; LMS is in lms.py, PLMS in pndm.py. Those
that follow x0 are in multistep.py and sde.py, those of distilled models in consistency.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from sukashi.diffusion.moves import add_noise, move
from sukashi.diffusion.types import Denoise, Level, Noise, Step

At = Callable[[float], Level]


def ddim(denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise, *, eta: float = 0.0) -> Iterator[Step]:
    """DDIM (Song et al. 2021, arXiv:2010.02502, eq. 12). eta=0 is Euler's method; eta=1 is DDPM, and 'Euler a'."""
    for now, to in pairwise(levels):
        p = denoise(x, now)
        fresh = eta * to.sigma / now.sigma * math.sqrt(max(0.0, 1 - (now.alpha / to.alpha) ** 2)) if eta else 0.0
        x_next = to.alpha * p.x0 + math.sqrt(max(0.0, to.sigma**2 - fresh**2)) * p.eps
        if fresh:
            x_next = x_next + fresh * noise()
        yield Step(now, to, x, p, x_next)
        x = x_next


def ddpm(
    denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise, *, large_variance: bool = False
) -> Iterator[Step]:
    """Ancestral sampling (Ho et al. 2020, arXiv:2006.11239, eq. 7): x0 and x give the mean, beta the variance.

    The variance is the posterior's (``fixed_small``, the same as DDIM at eta 1) or the whole beta (``fixed_large``);
    as in diffusers none is added from training step 0.
    """
    for now, to in pairwise(levels):
        p = denoise(x, now)
        keep = now.alpha / to.alpha
        beta = 1 - keep**2
        x_next = (to.alpha * beta * p.x0 + keep * to.sigma**2 * x) / now.sigma**2
        std = math.sqrt(beta) * (1 if large_variance else to.sigma / now.sigma)
        if std and now.t > 0:
            x_next = x_next + std * noise()
        yield Step(now, to, x, p, x_next)
        x = x_next


def euler(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[Level],
    noise: Noise,
    *,
    at: At,
    s_churn: float = 0.0,
    s_tmin: float = 0.0,
    s_tmax: float = math.inf,
    s_noise: float = 1.0,
) -> Iterator[Step]:
    """Euler's method (Karras et al. 2022, arXiv:2206.00364, algorithm 2): DDIM, preceded by fresh noise if churned.

    As in the paper the model sees the churned x at its own level; diffusers adds the noise after the model has looked.
    """
    gamma = min(s_churn / (len(levels) - 1), math.sqrt(2) - 1)
    for now, to in pairwise(levels):
        if gamma and s_tmin <= now.ve <= s_tmax:
            lower, now = now, at(now.ve * (1 + gamma))
            x = add_noise(x, s_noise * noise(), lower, now)
        p = denoise(x, now)
        x_next = to.alpha * p.x0 + to.sigma * p.eps
        yield Step(now, to, x, p, x_next)
        x = x_next


def heun(denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise) -> Iterator[Step]:
    """Heun's second-order method (Karras et al. 2022, arXiv:2206.00364, algorithm 1): two evaluations a step."""
    for now, to in pairwise(levels):
        p = denoise(x, now)
        x_next = move(x, p.eps, now, to)
        if to.sigma:
            x_next = move(x, (p.eps + denoise(x_next, to).eps) / 2, now, to)
        yield Step(now, to, x, p, x_next)
        x = x_next


def dpm2(
    denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise, *, at: At, eta: float = 0.0
) -> Iterator[Step]:
    """DPM-Solver-2 (Lu et al. 2022, arXiv:2206.00927, algorithm 1): the slope half way in log sigma serves the step.

    With eta 1 it is 'DPM2 a': the step goes below its target, then fresh noise brings it up again.
    """
    for now, to in pairwise(levels):
        p = denoise(x, now)
        if to.sigma:
            down = at(step_down(now, to, eta))
            middle = at(math.sqrt(now.ve * down.ve))
            halfway = denoise(move(x, p.eps, now, middle), middle)
            x_next = move(x, halfway.eps, now, down)
            if eta:
                x_next = add_noise(x_next, noise(), down, to)
        else:
            x_next = move(x, p.eps, now, to)
        yield Step(now, to, x, p, x_next)
        x = x_next


def step_down(now: Level, to: Level, eta: float) -> float:
    """Sigma / alpha that an ancestral step aims at, before fresh noise fills it up to ``to`` (eta 0: ``to`` itself)."""
    up = eta * to.ve * math.sqrt(max(0.0, 1 - (to.ve / now.ve) ** 2))
    return math.sqrt(max(0.0, to.ve**2 - up**2))
