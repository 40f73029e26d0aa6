"""The words that samplers, guidance and observers share.

x is always where the U-Net sees it: x = alpha * x0 + sigma * eps with alpha^2 + sigma^2 = 1 ("variance preserving",
Song et al. 2021, arXiv:2011.13456). Letters: B batch, C channels, H W latent height and width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor


class Level(NamedTuple):
    """One noise level; ``t`` is the (possibly fractional) training step the U-Net is told."""

    t: float
    alpha: float
    sigma: float

    @property
    def ve(self) -> float:
        """Noise per signal, sigma / alpha: the 'sigma' of k-diffusion and Karras et al. 2022 (inf at no signal)."""
        return self.sigma / self.alpha if self.alpha else math.inf

    @property
    def log_snr(self) -> float:
        """Half the log signal-to-noise ratio, lambda in Lu et al. 2022 (+inf when clean, -inf at no signal)."""
        if not self.sigma:
            return math.inf
        return math.log(self.alpha / self.sigma) if self.alpha else -math.inf


CLEAN = Level(t=0.0, alpha=1.0, sigma=0.0)


class Prediction(NamedTuple):
    """What the model thinks: the clean latent and the noise, each (B, C, H, W), with x = alpha * x0 + sigma * eps."""

    x0: Tensor
    eps: Tensor
    parts: Mapping[str, Tensor] = MappingProxyType({})  # what was combined, e.g. {"uncond": eps, "cond": eps}


class Step(NamedTuple):
    """One move of the latent, complete enough to draw it: x (B, C, H, W) at ``now`` went to ``x_next`` at ``to``."""

    now: Level
    to: Level
    x: Tensor
    prediction: Prediction
    x_next: Tensor


Denoise = Callable[[Tensor, Level], Prediction]
Noise = Callable[[], Tensor]
