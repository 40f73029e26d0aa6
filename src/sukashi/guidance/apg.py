"""APG: guidance without the part that only saturates."""

from __future__ import annotations

import torch
from torch import Tensor

from sukashi.diffusion.denoiser import read
from sukashi.diffusion.types import Level
from sukashi.guidance.negatives import along
from sukashi.guidance.rule import Rule, Said


def projected(scale: float, predicts: str, eta: float, norm: float, momentum: float) -> Rule:
    """Adaptive projected guidance (Sadat et al. 2024, arXiv:2410.02416, algorithm 1), on clean latents as there.

    D = x0_c - x0_u + b D_before; D <- D min(1, r / |D|); D = D_par + D_perp along and across x0_c;
    x0 = x0_c + (s - 1) (D_perp + eta D_par). The rule remembers D, so every run needs its own.
    """
    before: Tensor | None = None

    def rule(said: Said) -> Tensor:
        nonlocal before
        x0_u, x0_c = (read(said.outs[name], said.x, said.level, predicts).x0 for name in ("unwanted", "wanted"))
        d = x0_c - x0_u
        before = d = d if before is None else d + momentum * before
        x0 = x0_c + (scale - 1) * bounded_across(d, x0_c, eta, norm)
        return output(x0, said.x, said.level, predicts)

    return rule


def bounded_across(d: Tensor, x0_c: Tensor, eta: float, norm: float) -> Tensor:
    """D, no longer than ``norm`` (0: any length), with what lies along x0_c weighed by eta; all (B, C, H, W)."""
    if norm:
        d = d * torch.clamp(norm / d.flatten(1).norm(dim=1), max=1.0)[:, None, None, None]
    par = along(d, x0_c)
    return (d - par) + eta * par


def output(x0: Tensor, x: Tensor, level: Level, predicts: str) -> Tensor:
    """What a U-Net that ``predicts`` would have said for x0: the inverse of ``diffusion.denoiser.read``."""
    eps = (x - level.alpha * x0) / level.sigma
    if predicts == "v_prediction":
        return level.alpha * eps - level.sigma * x0
    return x0 if predicts == "sample" else eps
