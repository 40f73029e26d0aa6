"""A moment of a run as a plain JSON value: 0.3 (of the steps), 'step 5', or 'sigma 3.2'."""

from __future__ import annotations

import math
from typing import NamedTuple

PRESETS: dict[str, tuple[float, float]] = {  # when a negative prompt holds: steps of 30 in arXiv:2406.02965
    "noun": (5 / 30, 15 / 30),
    "adjective": (10 / 30, 1.0),
    "delayed": (5 / 30, 1.0),
}
AUTO = "auto"  # from the critical step on, which a first short run finds


class Moment(NamedTuple):
    """``kind`` is 'fraction' (0..1 of the steps), 'step' (so many are over) or 'sigma' (sigma / alpha is no higher)."""

    kind: str
    number: float


def moment(value: float | str, name: str) -> Moment:
    """Read a moment. Raises ValueError, saying that it is ``name`` that cannot be read."""
    kind, _, rest = str(value).strip().rpartition(" ")
    kind = kind.strip() or "fraction"
    try:
        number = float(rest)
    except ValueError:
        number = math.nan
    fits = {"fraction": 0 <= number <= 1, "step": number >= 0 and number % 1 == 0, "sigma": 0 <= number < math.inf}
    if isinstance(value, bool) or not fits.get(kind, False):
        raise ValueError(f"{name} is {value!r}; a fraction in 0..1, 'step 5' or 'sigma 3.2' is accepted")
    return Moment(kind, number)
