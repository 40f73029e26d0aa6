"""The few moves that every sampler is made of: each carries x (B, C, H, W) from one noise level to another.

Coefficients are Python floats; x keeps its dtype and device. ``Known`` is what a multistep method remembers of one
model call: the level and what was predicted there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from sukashi.diffusion.types import Level

Known = tuple[Level, Tensor]


def move(x: Tensor, eps: Tensor, now: Level, to: Level) -> Tensor:
    """Carry x along the noise direction eps (Song et al. 2021, arXiv:2010.02502, eq. 13): one Euler step."""
    ratio = to.alpha / now.alpha
    return ratio * x + (to.sigma - ratio * now.sigma) * eps


def add_noise(x: Tensor, noise: Tensor, now: Level, to: Level) -> Tensor:
    """Bring x up to the noisier level ``to`` by adding fresh noise of unit variance."""
    ratio = to.alpha / now.alpha
    return ratio * x + math.sqrt(max(0.0, to.sigma**2 - (ratio * now.sigma) ** 2)) * noise


def mirror(level: Level) -> Level:
    """Swap signal and noise: a solver for x0 becomes the same solver for eps (DPM-Solver instead of DPM-Solver++)."""
    return Level(level.t, level.sigma, level.alpha)


def gap(now: Level, to: Level) -> float:
    """h, the way from one level to another in half log signal-to-noise (infinite to a clean one)."""
    return to.log_snr - now.log_snr


def exponential_step(
    x: Tensor,
    now: Level,
    to: Level,
    x0: Tensor,
    slope: Tensor | None = None,
    bend: Tensor | None = None,
    *,
    eta: float = 0.0,
    midpoint: bool = True,
) -> Tensor:
    """Solve the linear part of the equation exactly, with x0 a polynomial in log-SNR over the step.

    DPM-Solver++ (Lu et al. 2022, arXiv:2211.01095, eq. 9 and app. B): ``slope`` (B, C, H, W) is the change of x0 over
    the step, ``bend`` its second difference. ``eta`` 1 is the SDE version, whose fresh noise the caller adds
    (``fresh_noise``). ``midpoint`` weighs the slope by 1/2 of the step's exponential, else by its exact integral.
    """
    h = gap(now, to)
    g = (1 + eta) * h
    shrink = math.exp(-eta * h) if eta else 1.0
    y = to.sigma / now.sigma * shrink * x - to.alpha * math.expm1(-g) * x0
    if slope is not None:
        y = y + to.alpha * (-math.expm1(-g) / 2 if midpoint else phi2(g)) * slope
    if bend is not None:
        y = y - to.alpha * phi3(g) * bend
    return y


def fresh_noise(now: Level, to: Level, eta: float = 1.0) -> float:
    """Standard deviation of the noise an SDE step from ``now`` adds (arXiv:2211.01095, eq. 19 at eta 1)."""
    return to.sigma * math.sqrt(-math.expm1(-2 * eta * gap(now, to))) if eta and to.sigma else 0.0


def phi2(g: float) -> float:
    """(e^-g - 1) / g + 1, the integral of a line; g / 2 where that cancels."""
    return math.expm1(-g) / g + 1 if abs(g) > 1e-5 else g / 2


def phi3(g: float) -> float:
    """((e^-g - 1 + g) / g^2 - 1/2), the integral of a parabola; -g / 6 where that cancels."""
    return (math.expm1(-g) + g) / g**2 - 0.5 if abs(g) > 1e-4 else -g / 6


def differences(known: Sequence[Known], to: Level) -> tuple[Tensor | None, Tensor | None]:
    """First and second difference of the predictions in ``known`` (newest first), per step ``known[0]`` -> ``to``.

    None where fewer than two or three different levels are known (arXiv:2211.01095, algorithm 2, and k-diffusion's 3M).
    """
    if len(known) < 2 or not (h1 := gap(known[1][0], known[0][0])):
        return None, None
    h = gap(known[0][0], to)
    slope = (known[0][1] - known[1][1]) * (h / h1)
    if len(known) < 3 or not (h2 := gap(known[2][0], known[1][0])):
        return slope, None
    older = (known[1][1] - known[2][1]) * (h / h2)
    change = slope - older
    return slope + change * (h1 / (h1 + h2)), change * (h / (h1 + h2))


def mixed(weights: Sequence[float], tensors: Sequence[Tensor]) -> Tensor:
    """The weighted sum of tensors (B, C, H, W); weights beyond the tensors are left out."""
    total = weights[0] * tensors[0]
    for weight, tensor in zip(weights[1:], tensors[1:], strict=False):
        total = total + weight * tensor
    return total
