"""CFG++: guided towards the prompt, moved with the noise of nobody's prompt."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sukashi.diffusion.denoiser import read
from sukashi.diffusion.types import Denoise, Level, Prediction
from sukashi.guidance.rule import Branch, hearing

SAMPLERS = ("ddim", "euler")


def plus_plus(branches: Sequence[Branch], predicts: str, scale: float) -> Denoise:
    """CFG++ (Chung et al. 2024, arXiv:2406.08070, algorithm 2): x0 = x0_u + l (x0_c - x0_u), but eps = eps_u.

    The scale l is in 0..1; 0.6 is about as strong as 7.5 in plain guidance. x is no longer alpha x0 + sigma eps, which
    only samplers that step with x0 and eps as they are can follow: ``SAMPLERS``.
    """
    hear = hearing(branches)

    def denoise(x: Tensor, level: Level) -> Prediction:
        said = hear(x, level)
        unwanted, wanted = (read(said.outs[name], x, level, predicts) for name in ("unwanted", "wanted"))
        return Prediction(unwanted.x0 + scale * (wanted.x0 - unwanted.x0), unwanted.eps, said.outs)

    return denoise
