"""Another denoiser for another part of the run, told from the noise level alone.

No counter is kept: a sampler may call twice in a step, between the levels of its grid, or start half way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from sukashi.diffusion.types import Denoise, Level, Prediction


def switch(segments: Sequence[tuple[float, Denoise]]) -> Denoise:
    """One denoiser after another: each (lowest, denoise) holds while ``level.sigma >= lowest``, noisy ones first.

    ``lowest`` is a sigma as in ``Level`` (0..1, not sigma / alpha); ``ending`` makes it from a step of a run.
    A segment that nothing reaches is dropped, and a single one is returned as it is.
    Raises ValueError unless the sigmas fall and end in 0.
    """
    bounds = [lowest for lowest, _ in segments]
    if not bounds or bounds[-1] != 0 or any(a < b for a, b in pairwise(bounds)):
        raise ValueError(f"segments end at sigma {bounds}; falling values that end in 0 are accepted")
    reached = [(lowest, denoise) for k, (lowest, denoise) in enumerate(segments) if lowest < min([1.5, *bounds[:k]])]
    if len(reached) == 1:
        return reached[0][1]

    def denoise(x: Tensor, level: Level) -> Prediction:
        chosen = next(one for lowest, one in reached if level.sigma >= lowest)
        return chosen(x, level)

    return denoise


def ending(levels: Sequence[Level], step: int) -> float:
    """The ``lowest`` of a segment that is over when step number ``step`` (counted from 0) of ``levels`` begins.

    Step 0 gives infinity (the segment is never reached), n or more of n steps gives 0 (it lasts to the end). Between
    them the segment holds above the noise of ``levels[step]``, also where a sampler calls between two levels.
    """
    if step <= 0:
        return math.inf
    return math.nextafter(levels[step].sigma, math.inf) if step < len(levels) - 1 else 0.0


def fraction(levels: Sequence[Level], part: float) -> float:
    """The ``lowest`` of a segment that is over after ``part`` (0..1) of the run: ``ending`` of step floor(part n)."""
    return ending(levels, math.floor(part * (len(levels) - 1)))
