"""Multistep solvers: DPM-Solver++ (one model call a step, or single-step groups), UniPC and DEIS.

DPM-Solver++ and UniPC follow x0, in the log-SNR of the levels; with ``of_noise`` they follow eps instead (DPM-Solver,
UniPC with predict_x0=False), which is the same solver with signal and noise exchanged.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from sukashi.diffusion.moves import Known, differences, exponential_step, fresh_noise, gap, mirror, mixed
from sukashi.diffusion.types import Denoise, Level, Noise, Prediction, Step


def known(p: Prediction, level: Level, of_noise: bool) -> Known:
    """What a solver remembers of one model call."""
    return (mirror(level), p.eps) if of_noise else (level, p.x0)


def dpmpp(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[Level],
    noise: Noise,
    *,
    order: int = 2,
    eta: float = 0.0,
    midpoint: bool = True,
    lower_order_final: bool = True,
    euler_at_final: bool = False,
    of_noise: bool = False,
    first: int = 0,
) -> Iterator[Step]:
    """DPM-Solver++ multistep (Lu et al. 2022, arXiv:2211.01095, algorithm 2), of order 1 to 3: 2M, and 3M.

    ``eta`` 1 is the SDE version (sec. 5; the 3M SDE is Crowson's). A step to a clean level is of order 1; in runs of
    less than 15 steps so is the last, and the one before it of order 2 at most (``lower_order_final``).
    """
    past: list[Known] = []  # newest first
    n = len(levels) - 1
    short = lower_order_final and n < 15
    for i, (now, to) in list(enumerate(pairwise(levels)))[first:]:
        p = denoise(x, now)
        past = [known(p, now, of_noise), *past[: order - 1]]
        use = 1 if not to.sigma or (i == n - 1 and (short or euler_at_final)) else 2 if i == n - 2 and short else order
        start, end = past[0][0], mirror(to) if of_noise else to
        slope, bend = differences(past[:use], end)
        x_next = exponential_step(x, start, end, past[0][1], slope, bend, eta=eta, midpoint=midpoint and bend is None)
        if std := fresh_noise(now, to, eta):
            x_next = x_next + std * noise()
        yield Step(now, to, x, p, x_next)
        x = x_next


def dpmpp_singlestep(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[Level],
    noise: Noise,
    *,
    order: int = 2,
    eta: float = 0.0,
    midpoint: bool = True,
    lower_order_final: bool = False,
    of_noise: bool = False,
    first: int = 0,
) -> Iterator[Step]:
    """DPM-Solver++ single-step (arXiv:2211.01095, algorithm 1; of_noise: arXiv:2206.00927, algorithms 1 and 2).

    Levels are walked in groups of ``order``: the second and third step of a group start again where the group began,
    with the model calls made since.
    """
    orders = singlestep_orders(len(levels) - 1, order, lower_order_final or not levels[-1].sigma, levels[-1])
    group: list[Known] = []  # the calls of this group, newest first
    start = x
    for i, (now, to) in list(enumerate(pairwise(levels)))[first:]:
        p = denoise(x, now)
        group = [known(p, now, of_noise), *group] if orders[i] > 1 and group else [known(p, now, of_noise)]
        if len(group) == 1:
            start = x
        end = mirror(to) if of_noise else to
        slope, bend = group_differences(group, end, midpoint)
        mid = midpoint and len(group) == 2
        x_next = exponential_step(start, group[-1][0], end, group[-1][1], slope, bend, eta=eta, midpoint=mid)
        if std := fresh_noise(group[-1][0], to, eta):
            x_next = x_next + std * noise()
        yield Step(now, to, x, p, x_next)
        x = x_next


def group_differences(group: Sequence[Known], to: Level, midpoint: bool) -> tuple[Tensor | None, Tensor | None]:
    """The derivatives of x0 at the start of a group (its last entry), per whole step to ``to``."""
    if len(group) == 1:
        return None, None
    begin, x0 = group[-1]
    h = gap(begin, to)
    slopes = [(m - x0) * (h / gap(begin, level)) for level, m in group[:-1]]
    if len(group) == 2 or midpoint:
        return slopes[0], None
    r0, r1 = (gap(begin, level) / h for level, _ in group[:-1])
    return (r0 * slopes[1] - r1 * slopes[0]) / (r0 - r1), 2 * (slopes[0] - slopes[1]) / (r0 - r1)


def singlestep_orders(n: int, order: int, lower_order_final: bool, last: Level) -> list[int]:
    """The order of each of n steps, 1 2 3 1 2 3 ... with the end cut to fit (the authors' and diffusers' lists)."""
    if n % order == 0 and not lower_order_final:
        return list(range(1, order + 1)) * (n // order)
    whole = (n - 1) // order if order < 3 else max(0, (n // 3) - (n % 3 == 0))
    rest = n - whole * order
    orders = list(range(1, order + 1)) * whole + {1: [1], 2: [1, 2 if order == 3 else 1], 3: [1, 2, 1]}[rest]
    return orders if last.sigma else [*orders[:-1], 1]


def unipc(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[Level],
    noise: Noise,
    *,
    order: int = 2,
    bh1: bool = False,
    lower_order_final: bool = True,
    disable_corrector: Collection[int] = (),
    of_noise: bool = False,
    first: int = 0,
) -> Iterator[Step]:
    """UniPC (Zhao et al. 2023, arXiv:2302.04867): DPM-Solver++ whose every step is corrected by the next look.

    ``bh1`` takes B(h) = h, else e^h - 1. The step is made again, knowing x0 at its end, before the next one is made.
    """
    past: list[Known] = []  # newest first
    start, use, n = x, 0, len(levels) - 1
    for i, (now, to) in list(enumerate(pairwise(levels)))[first:]:
        p = denoise(x, now)
        look, end, corrected = known(p, now, of_noise), mirror(to) if of_noise else to, x
        if past and i - 1 not in disable_corrector:
            corrected = unified_step(start, past[0], look[0], [*past[1:use], look], bh1)
        past = [look, *past[: order - 1]]
        use = min(len(past), n - i) if lower_order_final else len(past)
        x_next = unified_step(corrected, look, end, past[1:use] if to.sigma else [], bh1)
        yield Step(now, to, x, p, x_next)
        start, x = corrected, x_next


def unified_step(x: Tensor, now: Known, to: Level, others: Sequence[Known], bh1: bool) -> Tensor:
    """From ``now`` to ``to``, knowing x0 at other levels too, ``to`` itself perhaps (arXiv:2302.04867, eq. 8 and 9)."""
    level, x0 = now
    h = -gap(level, to)
    y = to.sigma / level.sigma * x - to.alpha * math.expm1(h) * x0
    others = [(other, m) for other, m in others if other.log_snr != level.log_snr]
    if not others or not h:
        return y
    r = [gap(level, other) / -h for other, _ in others]
    b = h if bh1 else math.expm1(h)
    rows, phi, factorial = [], math.expm1(h) / h - 1, 1
    for k in range(1, len(r) + 1):
        rows.append(phi * factorial / b)
        factorial *= k + 1
        phi = phi / h - 1 / factorial
    weights = np.linalg.solve(np.vander(r, increasing=True).T, rows).tolist() if len(r) > 1 else [0.5]
    slopes = [(m - x0) / ratio for (_, m), ratio in zip(others, r, strict=True)]
    return y - to.alpha * b * mixed(weights, slopes)


def deis(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[Level],
    noise: Noise,
    *,
    order: int = 2,
    lower_order_final: bool = True,
    first: int = 0,
) -> Iterator[Step]:
    """DEIS (Zhang & Chen 2023, arXiv:2204.13902, 'log rho'): LMS with a polynomial in log(sigma / alpha)."""
    past: list[tuple[float, Tensor]] = []  # (sigma / alpha, eps), newest first
    n = len(levels) - 1
    short = lower_order_final and n < 15
    for i, (now, to) in list(enumerate(pairwise(levels)))[first:]:
        p = denoise(x, now)
        past = [(now.ve, p.eps), *past[: order - 1]]
        use = past[: 1 if short and i == n - 1 else 2 if short and i == n - 2 else order]
        weights = log_lagrange_weights([ve for ve, _ in use], to.ve)
        x_next = to.alpha / now.alpha * x + to.alpha * mixed(weights, [eps for _, eps in use])
        yield Step(now, to, x, p, x_next)
        x = x_next


def log_lagrange_weights(nodes: Sequence[float], end: float) -> list[float]:
    """For each node u_j the integral over u from nodes[0] to ``end`` of its Lagrange polynomial in log u."""
    logs = [math.log(node / nodes[0]) for node in nodes]
    ratio = end / nodes[0]
    weights = []
    for j, at_j in enumerate(logs):
        others = logs[:j] + logs[j + 1 :]
        # antiderivatives of log^m, all with 1 = nodes[0] as their start: I_m = u log^m u - m I_(m-1)
        area, total = ratio - 1, 0.0
        for m, coefficient in enumerate(reversed(np.atleast_1d(np.poly(others)).tolist())):
            if m:
                area = (ratio * math.log(ratio) ** m if ratio else 0.0) - m * area
            total += coefficient * area
        weights.append(nodes[0] * total / math.prod(at_j - other for other in others))
    return weights
