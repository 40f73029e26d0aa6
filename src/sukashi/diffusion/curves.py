"""Grids that are curves in sigma / alpha from the highest to the lowest noise, or published tables of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sukashi.diffusion.grids import Grid, check, given_sigmas
from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.special import beta_quantile
from sukashi.diffusion.types import CLEAN, Level

Sigmas = NDArray[np.float64]
Curve = Callable[[float, float, int], Sigmas]
"""(highest sigma, lowest sigma, n) -> n falling sigmas."""


def by_sigma(
    schedule: NoiseSchedule,
    n: int,
    *,
    curve: Curve,
    between: Grid | None = None,
    highest: float | None = None,
    lowest: float | None = None,
    told: Callable[[float], float] = float,
) -> list[Level]:
    """A curve from the highest to the lowest sigma of the training, or of the levels of another grid (``between``).

    ``told`` turns the timestep that belongs to a sigma into the one the model is told (diffusers rounds it in places).
    """
    check(schedule, n)
    ends = [level.ve for level in between(schedule, n)[:-1]] if between else schedule.ve[::-1]
    sigmas = curve(float(ends[0] if highest is None else highest), float(ends[-1] if lowest is None else lowest), n)
    return [level._replace(t=float(told(level.t))) for level in given_sigmas(schedule, sigmas)[:-1]] + [CLEAN]


def karras(highest: float, lowest: float, n: int, *, rho: float = 7.0) -> Sigmas:
    """Even in sigma^(1/rho) (Karras et al. 2022, arXiv:2206.00364, eq. 5)."""
    return (highest ** (1 / rho) + np.linspace(0, 1, n) * (lowest ** (1 / rho) - highest ** (1 / rho))) ** rho


def exponential(highest: float, lowest: float, n: int) -> Sigmas:
    """Even in log sigma."""
    return polyexponential(highest, lowest, n)


def polyexponential(highest: float, lowest: float, n: int, *, rho: float = 1.0) -> Sigmas:
    """A power of an even ramp, in log sigma (k-diffusion's ``get_sigmas_polyexponential``)."""
    low = math.log(lowest)
    return np.exp(np.linspace(1, 0, n) ** rho * (math.log(highest) - low) + low)


def beta(highest: float, lowest: float, n: int, *, a: float = 0.6, b: float = 0.6) -> Sigmas:
    """The quantiles of a beta distribution: dense at both ends (Lee et al. 2024, arXiv:2407.12173)."""
    return np.array([lowest + beta_quantile(p, a, b) * (highest - lowest) for p in 1 - np.linspace(0, 1, n)])


def kl_optimal(highest: float, lowest: float, n: int) -> Sigmas:
    """Even in arctan sigma (Sabour et al. 2024, arXiv:2404.14507, sec. 3.2, for data of unit variance).

    As in ComfyUI the lowest is followed by a clean level; A1111 stops at the lowest.
    """
    return np.tan(np.linspace(math.atan(highest), math.atan(lowest), n))


AYS = {
    "ays": (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029),
    "ays_sdxl": (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029),
}
"""The published ten-step schedules for Stable Diffusion 1 and SDXL (arXiv:2404.14507, the authors' how-to page)."""


def ays(schedule: NoiseSchedule, n: int, *, table: str = "ays") -> list[Level]:
    """Align Your Steps (Sabour et al. 2024, arXiv:2404.14507): a published table, log-linearly stretched to n steps.

    The table's last sigma is where a clean level takes over (diffusers, ComfyUI); ten steps are the published ones.
    """
    check(schedule, n)
    known = np.log(AYS[table])
    sigmas = np.exp(np.interp(np.linspace(0, 1, n + 1), np.linspace(0, 1, len(known)), known))
    return given_sigmas(schedule, sigmas[:-1])
