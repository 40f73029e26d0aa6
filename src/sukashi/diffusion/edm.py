"""Models trained as in Karras et al. 2022 (arXiv:2206.00364), such as Playground v2.5: their schedule and their units.

Their network F sees c_in x, is told c_noise = ln(sigma) / 4, and x0 = c_skip x + c_out F (eq. 7, table 1, column
"ours"; x is x0 + sigma eps there). Measured in units of ``sigma_data``, the standard deviation of the clean latents,
that is what we already have: c_in x is our variance preserving x at the level sigma / sigma_data, and c_skip and c_out
make F minus v. So such a model needs three things: levels that are told ln(sigma) / 4, the reading 'edm' (F = -v), and
``in_data_units`` around its denoiser.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from sukashi.diffusion import curves
from sukashi.diffusion.curves import by_sigma
from sukashi.diffusion.grids import Grid
from sukashi.diffusion.schedule import NoiseSchedule, level
from sukashi.diffusion.scheduler_config import Config, complete
from sukashi.diffusion.types import CLEAN, Denoise, Level, Prediction

EDM = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")
COUNT_STEPS = ("ddpm", "pndm", "lcm", "tcd", "sa_solver")
"""Samplers that reckon with the number of the training step, which these models do not have."""


class EDMSchedule(NoiseSchedule):
    """The noise an EDM model knows: sigma from ``sigma_min`` to ``sigma_max``.

    There are no training steps but for counting: step i of T is i / (T - 1) of the way up diffusers' default grid
    (Karras with ``rho``, or exponential).

    Attributes, besides those of ``NoiseSchedule``:
        sigma_data: the standard deviation of the clean latents.
        curve: the grid's curve in sigma.

    """

    def __init__(self, config: Mapping[str, Any] | None = None, *, finite_sigma: bool = False) -> None:
        self.config = complete({"_class_name": EDM[0], **(config or {})})
        self.curve = curve_of(self.config)
        self.sigma_data: float = self.config["sigma_data"]
        self.steps = self.config["num_train_timesteps"]
        self.ve = self.curve(self.config["sigma_max"], self.config["sigma_min"], self.steps)[::-1].copy()
        self.log_ve, self.signal = np.log(self.ve), 1 / (self.ve**2 + 1)
        self.predicts = "edm" if self.config["prediction_type"] == "epsilon" else "v_prediction"
        self.offset, self.final = 0, CLEAN

    def at(self, t: float, *, log: bool = False) -> Level:
        """The level of a step (0 ... T - 1), fractional ones too; its ``t`` is what the model is told."""
        if not 0 <= t <= self.steps - 1:
            raise ValueError(f"step {t} is outside the steps 0 to {self.steps - 1}")
        return self.at_ve(float(np.exp(np.interp(t, np.arange(self.steps), self.log_ve))))

    def at_ve(self, ve: float) -> Level:
        """The level with ``ve`` = sigma; it is told ln(sigma) / 4. Raises ValueError for a negative value."""
        if not ve >= 0:
            raise ValueError(f"sigma {ve} is not a noise level; accepted: 0 and above")
        return level(math.log(ve) / 4, ve) if ve else CLEAN


def curve_of(own: Config) -> curves.Curve:
    """The curve in sigma that a config asks for."""
    return partial(curves.karras, rho=own["rho"]) if own["sigma_schedule"] == "karras" else curves.exponential


def grid_of(own: Config) -> Grid:
    """The grid a config asks for: its curve from sigma_max to sigma_min, then clean."""
    return partial(by_sigma, curve=curve_of(own), highest=own["sigma_max"], lowest=own["sigma_min"])


def in_data_units(sigma_data: float) -> Callable[[Denoise], Denoise]:
    """A wrapper for a denoiser whose latents have the standard deviation ``sigma_data``, by units in which it is 1.

    Outside, x and x0 are the latents themselves and sigma is Karras's; inside, all are divided by ``sigma_data``.
    """

    def wrap(denoise: Denoise) -> Denoise:
        return lambda x, level: outside(denoise(*inside(x, level, sigma_data)), sigma_data)

    return wrap


def inside(x: Tensor, now: Level, sigma_data: float) -> tuple[Tensor, Level]:
    """Take x (B, C, H, W) and its level to units of ``sigma_data``, in which x is Karras's c_in x."""
    within = level(now.t, now.ve / sigma_data)
    return x / now.alpha / sigma_data * within.alpha, within


def outside(p: Prediction, sigma_data: float) -> Prediction:
    """What was predicted in units of ``sigma_data``, in the latents' own; the noise has variance 1 in both."""
    return p._replace(x0=p.x0 * sigma_data)
