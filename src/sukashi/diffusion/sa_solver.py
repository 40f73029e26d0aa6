"""SA-Solver: a multistep method of any order for any amount of fresh noise (Xue et al. 2023, arXiv:2309.05019).

``tau`` says how much: 0 follows the deterministic path, 1 the reverse of the noising process. As in DPM-Solver++ the
linear part is solved exactly, and x0 (or eps) is a polynomial through what the model said last (Adams-Bashforth). Each
step is made again when the model has seen where it led (Adams-Moulton), with the same noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from sukashi.diffusion.moves import gap, mixed
from sukashi.diffusion.types import Denoise, Level, Noise, Step

Tau = float | Callable[[float], float]
"""A number, which counts from t = 200 to 800 as in diffusers, or a function of t."""


def sa_solver(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[Level],
    noise: Noise,
    *,
    predictor_order: int = 2,
    corrector_order: int = 2,
    tau: Tau = 1.0,
    lower_order_final: bool = True,
    of_noise: bool = False,
    first: int = 0,
) -> Iterator[Step]:
    """SA-Solver (arXiv:2309.05019, algorithm 1), with predictor and corrector of order 1 to 4; corrector 0 is none.

    ``lower_order_final`` lets the order fall to 1 towards the end; a step to a clean level is of order 1. ``of_noise``
    makes the polynomial one of eps instead of x0. Noise is drawn at every step, used or not, unless ``tau`` is 0.
    """
    past: list[tuple[Level, Tensor]] = []  # newest first
    n, keep = len(levels) - 1, max(predictor_order, corrector_order - 1)
    start, fresh, stir = x, None, 0.0  # of the step made last
    for i, (now, to) in list(enumerate(pairwise(levels)))[first:]:
        p = denoise(x, now)
        look, corrected = (now, p.eps if of_noise else p.x0), x
        if past and corrector_order:
            use = min(corrector_order, n - i + 2) if lower_order_final else corrector_order
            corrected = adams_step(start, past[0][0], now, [look, *past][:use], stir, fresh, of_noise)
        past = [look, *past][:keep]
        fresh, stir = noise() if tau else None, tau_at(tau, now.t)
        use = min(predictor_order, n - i) if lower_order_final else predictor_order
        x_next = adams_step(corrected, now, to, past[:use], stir, fresh, of_noise) if to.sigma else p.x0
        yield Step(now, to, x, p, x_next)
        start, x = corrected, x_next


def tau_at(tau: Tau, t: float) -> float:
    """How much fresh noise the step from training step t gets."""
    if callable(tau):
        return tau(t)
    return tau if 200 <= t <= 800 else 0.0


def adams_step(
    x: Tensor,
    now: Level,
    to: Level,
    known: Sequence[tuple[Level, Tensor]],
    tau: float,
    fresh: Tensor | None,
    of_noise: bool,
) -> Tensor:
    """From ``now`` to ``to`` with a polynomial through ``known``; ``fresh`` is unit noise (B, C, H, W).

    Both steps of arXiv:2309.05019, sec. 5: the corrector knows the level ``to`` as well.
    """
    h = gap(now, to)
    if of_noise:
        keep, gain, g = to.alpha / now.alpha, (1 + tau**2) * to.sigma, -h
        std = tau * to.sigma * math.sqrt(math.expm1(2 * h)) if tau else 0.0
    else:
        keep, gain, g = to.sigma / now.sigma * math.exp(-(tau**2) * h), to.alpha, (1 + tau**2) * h
        std = to.sigma * math.sqrt(-math.expm1(-2 * tau**2 * h)) if tau else 0.0
    if not h:
        return x
    nodes = [gap(now, level) / h for level, _ in known]  # 0 at now, 1 at to
    weights = adams_weights(nodes, g, rounded=len(nodes) == 2 and not of_noise)
    x_next = keep * x + gain * mixed(weights, [value for _, value in known])
    return x_next + std * fresh if std and fresh is not None else x_next


def adams_weights(nodes: Sequence[float], g: float, *, rounded: bool) -> list[float]:
    """For each node its Lagrange polynomial, integrated over s = 0 ... 1 with the weight g exp(-g (1 - s)).

    ``rounded`` takes g / 2 for the integral of s, to which it tends: the authors do so at order 2 (their code, and
    diffusers; it does not change the order and helps with few steps).
    """
    moments = [-math.expm1(-g)]  # of s^0; the others by parts
    for k in range(1, len(nodes)):
        moments.append(g / 2 if rounded else 1 - k / g * moments[-1])
    weights = []
    for j, at_j in enumerate(nodes):
        others = [*nodes[:j], *nodes[j + 1 :]]
        rising = np.atleast_1d(np.poly(others))[::-1]  # coefficients of s^0, s^1 ...
        total = sum(float(c) * moment for c, moment in zip(rising, moments, strict=True))
        weights.append(total / math.prod(at_j - other for other in others))
    return weights
