"""The loss of one batch, with everything random in it drawn from the generator that is given.

Letters: B batch, C channels, h w latent cells; x_t = alpha x_0 + sigma eps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.train.loss import min_snr_weight, target
from sukashi.train.methods.config import Config
from sukashi.weights.parts import Parts


class Objective(NamedTuple):
    """What is minimised: ``signal`` (T,) float32 is alpha squared of each training step, ``predicts`` the answer."""

    signal: Tensor
    predicts: str
    snr_gamma: float | None = None
    noise_offset: float = 0.0
    prior_weight: float = 1.0


def objective(parts: Parts, config: Config) -> Objective:
    """That of a model: its own noise schedule, whatever sampler its folder names.

    Raises ValueError for zero terminal SNR with a model that predicts noise: the last step would teach nothing.
    """
    scheduler = {key: value for key, value in parts.scheduler.items() if key != "_class_name"}
    schedule = NoiseSchedule(scheduler | ({"rescale_betas_zero_snr": True} if config.zero_snr else {}))
    if schedule.signal[-1] == 0 and schedule.predicts == "epsilon":
        raise ValueError("zero terminal SNR needs a model that predicts v; this one predicts epsilon")
    signal = torch.from_numpy(schedule.signal).float()
    return Objective(signal, schedule.predicts, config.snr_gamma, config.noise_offset, config.prior_weight)


def draw_noise(x0: Tensor, offset: float, g: torch.Generator) -> Tensor:
    """Unit noise like x0 (B, C, h, w); ``offset`` times one more number for each channel is added.

    The latter is Guttenberg 2023, "Diffusion with Offset Noise" (blog), as diffusers' scripts have it.
    """
    eps = torch.randn(x0.shape, generator=g)
    return eps + offset * torch.randn(*x0.shape[:2], 1, 1, generator=g) if offset else eps


def loss(
    predict: Callable[[Tensor, Tensor], Tensor],
    x0: Tensor,
    prior: Tensor,
    what: Objective,
    g: torch.Generator,
    mask: Tensor | None = None,
) -> Tensor:
    """Mean squared error of ``predict(x_t, t)`` for latents x0 (B, C, h, w), every step t as likely as the others.

    Ho et al. 2020, arXiv:2006.11239, eq. 14 (for v: Salimans & Ho 2022, app. D), weighted by min-SNR where asked (Hang
    et al. 2023, arXiv:2303.09556). Pictures of the class, where ``prior`` (B,) is true, count as a mean of their own,
    times ``prior_weight`` (Ruiz et al. 2022, arXiv:2208.12242, eq. 2). Of a picture with a ``mask`` (B, 1, h, w) only
    the cells where it is 1 count, as their mean (diffusers' script for Custom Diffusion adds up the channels instead).
    """
    eps = draw_noise(x0, what.noise_offset, g).to(x0)
    t = torch.randint(len(what.signal), (len(x0),), generator=g)
    alpha, sigma = what.signal[t].sqrt().to(x0), (1 - what.signal[t]).sqrt().to(x0)
    x = alpha[:, None, None, None] * x0 + sigma[:, None, None, None] * eps
    answer = predict(x, t.to(x0.device))
    error = (answer.float() - target(what.predicts, x0, eps, alpha, sigma)).square().mean(1, keepdim=True)
    mask = torch.ones_like(error) if mask is None else mask.to(error)
    each = (error * mask).sum((1, 2, 3)) / mask.sum((1, 2, 3))  # (B, 1, h, w) -> (B,)
    if what.snr_gamma is not None:
        each = each * min_snr_weight(what.predicts, alpha, sigma, what.snr_gamma)
    prior = prior.to(x0.device)
    if not prior.any():
        return each.mean()
    return each[~prior].mean() + what.prior_weight * each[prior].mean()
