"""The diffusion loss: how far the U-Net's answer is from what it should have said.

With x_t = alpha x_0 + sigma eps (alpha^2 + sigma^2 = 1), B batch, C channels, H W latent height and width.
"""

from __future__ import annotations

import torch
from torch import Tensor


def target(predicts: str, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    """What a U-Net that ``predicts`` this should answer; alpha and sigma (B,) -> (B, C, H, W).

    'epsilon': the noise; 'v_prediction': alpha eps - sigma x_0 (Salimans & Ho 2022, arXiv:2202.00512, app. D);
    'sample': x_0. Raises ValueError for any other.
    """
    a, s = alpha[:, None, None, None], sigma[:, None, None, None]
    answers = {"epsilon": lambda: eps, "v_prediction": lambda: a * eps - s * x0, "sample": lambda: x0}
    if predicts not in answers:
        raise ValueError(f"unknown prediction type {predicts!r}; known: {', '.join(answers)}")
    return answers[predicts]()


def min_snr_weight(predicts: str, alpha: Tensor, sigma: Tensor, gamma: float = 5.0) -> Tensor:
    """Weights (B,) that give every noise level its due: min(SNR, gamma) in units of the x_0 loss.

    Hang et al. 2023, arXiv:2303.09556, sec. 3.4: divided by SNR for 'epsilon', by SNR + 1 for 'v_prediction'.
    """
    snr = (alpha / sigma).square()
    scale = {"epsilon": snr, "v_prediction": snr + 1, "sample": torch.ones_like(snr)}
    if predicts not in scale:
        raise ValueError(f"unknown prediction type {predicts!r}; known: {', '.join(scale)}")
    return snr.clamp(max=gamma) / scale[predicts]
