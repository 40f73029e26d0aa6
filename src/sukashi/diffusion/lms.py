"""Linear multistep: the past noise predictions as a polynomial."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from torch import Tensor

from sukashi.diffusion.moves import mixed
from sukashi.diffusion.types import Denoise, Level, Noise, Step


def lms(
    denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise, *, order: int = 4, first: int = 0
) -> Iterator[Step]:
    """Linear multistep: a polynomial through the last eps, integrated over sigma / alpha (Adams-Bashforth; Crowson).

    Beginning at ``levels[first]`` (image to image), diffusers weighs as if the earlier steps had been made; so do we.
    """
    past: list[Tensor] = []  # noise predictions, newest first
    for i, (now, to) in list(enumerate(pairwise(levels)))[first:]:
        p = denoise(x, now)
        past = [p.eps, *past[: order - 1]]
        nodes = [levels[i - k].ve for k in range(min(order, i + 1))]
        weights = lagrange_weights(nodes, to.ve)
        x_next = to.alpha / now.alpha * x + to.alpha * mixed(weights, past)
        yield Step(now, to, x, p, x_next)
        x = x_next


def lagrange_weights(nodes: Sequence[float], end: float) -> list[float]:
    """For each node u_j the integral from nodes[0] to ``end`` of its Lagrange polynomial, exactly."""
    u = [node - nodes[0] for node in nodes]
    weights = []
    for j, at_j in enumerate(u):
        others = u[:j] + u[j + 1 :]
        area = np.polyint(np.atleast_1d(np.poly(others)))
        weights.append(float(np.polyval(area, end - nodes[0])) / math.prod(at_j - other for other in others))
    return weights
