"""PNDM (Liu et al. 2022, arXiv:2202.09778), the sampler Stable Diffusion was released with, in its two forms.

PLMS, which Stable Diffusion uses, and the original with a Runge-Kutta warm-up. Both follow diffusers call by call,
because the pictures people compare with were made by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from torch import Tensor

from sukashi.diffusion.moves import mixed, move
from sukashi.diffusion.types import Denoise, Level, Noise, Prediction, Step

ADAMS = [(1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24)]


def plms(
    denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise, *, average_v: bool = False, first: int = 0
) -> Iterator[Step]:
    """Pseudo linear multistep, without Runge-Kutta (arXiv:2202.09778, sec. 3.3): n steps are n + 1 model calls.

    The first step looks ahead and is made again with the average of both slopes. ``average_v``, which diffusers does
    for v-prediction models, averages their raw output over levels and turns it into eps once (the paper averages eps).

    Beginning in the middle (image to image, ``first`` > 0), diffusers drops the first visits of ``plms_visits`` instead
    of the first levels, so that one step is made from a level where x is not. We do the same; see the tests.
    """
    here, *visits = plms_visits(len(levels) - 1)[first:]
    p = denoise(x, levels[here])
    past = [slope_of(p, levels[here], average_v)]  # newest first
    x_next = follow(past[0], x, levels[here], levels[here + 1], average_v)
    if not visits:
        yield Step(levels[here], levels[here + 1], x, p, x_next)
        return
    there, *visits = visits
    ahead = slope_of(denoise(x_next, levels[there]), levels[there], average_v)
    x_next = follow((past[0] + ahead) / 2, x, levels[there - 1], levels[there], average_v)
    yield Step(levels[here], levels[there], x, p, x_next)
    for i in visits:
        x, now, to = x_next, levels[i], levels[i + 1]
        p = denoise(x, now)
        past = [slope_of(p, now, average_v), *past[:3]]
        x_next = follow(mixed(ADAMS[len(past) - 1], past), x, now, to, average_v)
        yield Step(now, to, x, p, x_next)


def plms_visits(n: int) -> list[int]:
    """The level each model call of PLMS is made at: 0, 1, 1, 2, 3 ... n - 1."""
    return [0, 1, *range(1, n)] if n > 1 else [0]


def pndm(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[Level],
    noise: Noise,
    *,
    at_step: Callable[[float], Level],
    average_v: bool = False,
) -> Iterator[Step]:
    """PNDM with three steps of pseudo Runge-Kutta first (arXiv:2202.09778, algorithm 2): n steps are n + 9 calls.

    ``at_step(t)`` is the level of a training step. As in diffusers half steps are whole training steps, so that where a
    step is odd there are two of them, and the model is told the lower.
    """
    past: list[Tensor] = []  # slopes, newest first
    for i, (now, to) in enumerate(pairwise(levels)):
        p = denoise(x, now)
        slope = slope_of(p, now, average_v)
        past = [slope, *past[:3]]
        if i < 3 and to is not levels[-1]:
            distance = int(now.t - to.t) // 2
            half = at_step(to.t + distance)
            upper = at_step(now.t - distance)._replace(t=half.t)
            second = slope_of(denoise(follow(slope, x, now, upper, average_v), upper), upper, average_v)
            third = slope_of(denoise(follow(second, x, now, half, average_v), half), half, average_v)
            fourth = slope_of(denoise(follow(third, x, now, to, average_v), to), to, average_v)
            slope = (slope + 2 * second + 2 * third + fourth) / 6
        else:
            slope = mixed(ADAMS[len(past) - 1], past)
        x_next = follow(slope, x, now, to, average_v)
        yield Step(now, to, x, p, x_next)
        x = x_next


def slope_of(p: Prediction, level: Level, as_v: bool) -> Tensor:
    """What is averaged: eps, or v = alpha eps - sigma x0 (Salimans & Ho 2022, arXiv:2202.00512, app. D)."""
    return level.alpha * p.eps - level.sigma * p.x0 if as_v else p.eps


def follow(slope: Tensor, x: Tensor, now: Level, to: Level, as_v: bool) -> Tensor:
    """Carry x (B, C, H, W) along an averaged slope (arXiv:2202.09778, eq. 11, which is DDIM's move)."""
    return move(x, now.alpha * slope + now.sigma * x if as_v else slope, now, to)
