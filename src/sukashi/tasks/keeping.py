"""A wrapper of denoisers: outside a mask the picture is the one that was given, at every noise level."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from sukashi.diffusion.types import Denoise, Level, Prediction


def keep_outside(
    denoise: Denoise,
    clean: Tensor,
    noise: Tensor,
    mask: Tensor,
    levels: Sequence[Level],
    *,
    soft: bool = False,
    pure: bool = False,
) -> Denoise:
    """Where ``mask`` (B, 1, h, w) is 0, x is ``clean`` (B, C, h, w) with this one ``noise``, and so is the prediction.

    Avrahami et al. 2022 (Blended Latent Diffusion, arXiv:2206.02779, sec. 4.1), with the same noise at every level as
    in diffusers. With ``soft`` the mask says how strongly each place may change: a value m joins in when 1 - m of the
    steps are made (Levin & Fried 2023, Differential Diffusion, arXiv:2306.00950, algorithm 1). How far a run is, is
    read off ``levels``, so that it holds for samplers that look between two of them. A run that begins with noise alone
    (``pure``) is seen so by the first call, as in diffusers.
    """
    steps = len(levels) - 1

    def inside(level: Level) -> Tensor:
        if not soft:
            return mask
        made = sum(passed.sigma > level.sigma + 1e-9 for passed in levels)
        return (1 - mask <= made / max(1, steps)).to(mask)

    def kept(x: Tensor, level: Level) -> Prediction:
        here = inside(level)
        if not (pure and level == levels[0]):
            x = here * x + (1 - here) * (level.alpha * clean + level.sigma * noise)
        p = denoise(x, level)
        return Prediction(here * p.x0 + (1 - here) * clean, here * p.eps + (1 - here) * noise, p.parts)

    return kept
