"""How much of the way an image is taken back towards noise, in steps."""

from __future__ import annotations

import math

from sukashi.diffusion.plan import Plan
from sukashi.diffusion.pndm import plms_visits


def steps_of(n: int, strength: float, exact: bool, available: int) -> tuple[int, int]:
    """(steps of the whole grid, steps that are run): int(n strength) of n as everywhere, or n of more with ``exact``.

    Meng et al. 2022 (SDEdit, arXiv:2108.01073). Raises ValueError for a strength outside 0..1, and where a grid of
    ``available`` training steps has not so many exact ones.
    """
    if isinstance(strength, bool) or not 0 <= strength <= 1:
        raise ValueError(f"strength is {strength!r}; a number in 0..1 is accepted")
    if not exact:
        return n, min(int(n * strength + 1e-9), n)  # 0.29 * 100 is 28.999999999999996
    if not strength:
        return n, 0
    total = max(n, math.ceil(n / strength - 1e-9))
    if total > available:
        least = n / available
        raise ValueError(
            f"{n} exact steps at strength {strength:g} are the last of {total}, and the model knows {available}; "
            f"a strength of at least {least:.3g} is accepted"
        )
    return total, n


def told(total: int, run: int, strength: float, n: int) -> str:
    """What users want to know: how many steps are really made."""
    text = f"runs {run} of {total} steps (strength {strength:.2f})"
    return text if run else f"{text}: the picture comes back as it is; one step needs a strength of {1 / n:.2g}"


def calls_of(plan: Plan, total: int, run: int) -> int:
    """How often the U-Net is asked by the last ``run`` steps of ``total``."""
    if not run:
        return 0
    return len(plms_visits(total)[total - run :]) if plan.sampler == "plms" else plan.calls(run)
