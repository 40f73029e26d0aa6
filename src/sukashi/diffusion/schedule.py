"""The noise a model was trained with: how much signal is left after each of its (usually 1000) training steps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sukashi.diffusion.scheduler_config import class_of, complete
from sukashi.diffusion.types import CLEAN, Level

EXACT_ZERO = (None, "DDIMScheduler", "DDPMScheduler", "LCMScheduler", "TCDScheduler", "DDIMInverseScheduler")
TINY_SIGNAL = 2.0**-24  # the smallest half-precision number: sigma / alpha = 4096 instead of infinity


class NoiseSchedule:
    """alpha_bar of every training step (Ho et al. 2020, arXiv:2006.11239, sec. 2), from a diffusers scheduler config.

    ``config`` holds the keys of ``scheduler_config.json`` of any scheduler class; missing keys take that class's
    defaults, or Stable Diffusion's when there is no ``_class_name``. The betas are computed in float32 as diffusers
    computes them (and as the models were trained), then held as float64.

    With ``rescale_betas_zero_snr`` the last training step has no signal: exactly none under the classes that can
    start there (DDIM, DDPM, LCM, TCD, or no class), 2**-24 under those that divide by the signal, and always so with
    ``finite_sigma``.

    Attributes:
        signal: alpha_bar, (T,) float64, falling.
        ve: sigma / alpha, (T,) float64, rising: the 'sigmas' of k-diffusion.
        steps: T, the number of training steps.
        predicts: 'epsilon', 'v_prediction' or 'sample': what the network's output is.
        offset: what 'leading' grids add to their steps.
        final: where DDIM and PNDM end: clean, or training step 0 unless ``set_alpha_to_one``.
        config: the config with all defaults filled in.

    Raises:
        ValueError: for a value that is not supported, by key and value.

    """

    def __init__(self, config: Mapping[str, Any] | None = None, *, finite_sigma: bool = False) -> None:
        self.config = complete(config or {})
        signal = torch.cumprod(1.0 - betas(self.config), dim=0)
        if self.config.get("rescale_betas_zero_snr"):
            signal = torch.cumprod(1.0 - zero_terminal_snr(betas(self.config)), dim=0)
            signal[-1] = 0.0 if class_of(self.config) in EXACT_ZERO and not finite_sigma else TINY_SIGNAL
        ve = ((1.0 - signal) / signal).sqrt()
        self.signal: NDArray[np.float64] = signal.double().numpy()
        self.ve: NDArray[np.float64] = ve.double().numpy()
        self.log_ve: NDArray[np.float64] = ve.log().double().numpy()
        self.steps = len(self.signal)
        self.predicts: str = self.config["prediction_type"]
        self.offset: int = self.config.get("steps_offset", 0)
        self.final = CLEAN if self.config.get("set_alpha_to_one", True) else self.at(0)

    def at(self, t: float, *, log: bool = False) -> Level:
        """The level of a training step; between two steps sigma / alpha is interpolated.

        Linearly as in diffusers, or linearly in its logarithm as in k-diffusion with ``log``.
        Raises ValueError outside 0 ... T - 1.
        """
        if not 0 <= t <= self.steps - 1:
            raise ValueError(f"timestep {t} is outside the training steps 0 to {self.steps - 1}")
        low, part = int(t), float(t) - int(t)
        if not part:
            return Level(float(t), math.sqrt(self.signal[low]), math.sqrt(1.0 - self.signal[low]))
        a, b = float(self.ve[low]), float(self.ve[low + 1])
        return level(float(t), a ** (1 - part) * b**part if log else (1 - part) * a + part * b)

    def at_ve(self, ve: float) -> Level:
        """The level with ``ve`` = sigma / alpha; its t is found linearly in log sigma and kept within the training.

        Raises ValueError for a negative or undefined value.
        """
        if not ve >= 0:
            raise ValueError(f"sigma {ve} is not a noise level; accepted: 0 and above")
        if ve == 0:
            return CLEAN
        log = math.log(ve)
        low = min(max(int(np.searchsorted(self.log_ve, log, side="right")) - 1, 0), self.steps - 2)
        a, b = self.log_ve[low], self.log_ve[low + 1]
        part = min(max((a - log) / (a - b), 0.0), 1.0)
        return level(float((1 - part) * low + part * (low + 1)), float(ve))


def level(t: float, ve: float) -> Level:
    """The variance preserving level with sigma / alpha = ``ve``, which may be infinite."""
    if math.isinf(ve):
        return Level(t, 0.0, 1.0)
    alpha = 1.0 / math.sqrt(ve * ve + 1.0)
    return Level(t, alpha, ve * alpha)


def betas(config: Mapping[str, Any]) -> Tensor:
    """The variance each training step adds, (T,) float32. 'scaled_linear' is latent diffusion's; the cosine one is
    Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 17.
    """
    if config.get("trained_betas") is not None:
        return torch.tensor(config["trained_betas"], dtype=torch.float32)
    n, lo, hi = config["num_train_timesteps"], config.get("beta_start", 0.0), config.get("beta_end", 0.0)
    if config["beta_schedule"] == "linear":
        return torch.linspace(lo, hi, n, dtype=torch.float32)
    if config["beta_schedule"] == "scaled_linear":
        return torch.linspace(lo**0.5, hi**0.5, n, dtype=torch.float32) ** 2
    left = [math.cos((i / n + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(n + 1)]
    return torch.tensor([min(1 - b / a, 0.999) for a, b in pairwise(left)], dtype=torch.float32)


def zero_terminal_snr(betas: Tensor) -> Tensor:
    """Shift and stretch sqrt(alpha_bar) so that the last step has no signal (Lin et al. 2023, arXiv:2305.08891,
    algorithm 1). betas (T,) -> betas (T,).
    """
    root = torch.cumprod(1.0 - betas, dim=0).sqrt()
    first, last = root[0].clone(), root[-1].clone()
    signal = ((root - last) * (first / (first - last))) ** 2
    return 1 - torch.cat([signal[:1], signal[1:] / signal[:-1]])
