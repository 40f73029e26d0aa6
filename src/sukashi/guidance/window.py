"""When a run is where: moments as noise levels, and the stretch of a run that a negative prompt holds for.

Ban et al. 2024, "Understanding the Impact of Negative Prompts: When and How Do They Take Effect?", arXiv:2406.02965:
a negative prompt removes a thing only once the prompt has drawn it, after a critical step. Used before, it may draw the
thing itself (reverse activation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from sukashi.diffusion.types import Denoise, Level
from sukashi.guidance.switch import ending, fraction, switch
from sukashi.moments import PRESETS, moment


class Window(NamedTuple):
    """A stretch of a run: from the first level below the sigma ``start`` on, until the first below ``stop``.

    Both are the lowest sigma of the segment that they end, as ``switch`` wants it: infinity before the run, 0 after.
    """

    start: float
    stop: float

    @property
    def whole(self) -> bool:
        """Whether it is all of the run."""
        return self.start == math.inf and self.stop == 0

    @property
    def empty(self) -> bool:
        """Whether it is nothing of the run."""
        return self.start == self.stop


def window(start: float | str, stop: float | str | None, levels: Sequence[Level], name: str = "negative") -> Window:
    """The stretch between two moments, or a preset for ``start`` (an explicit ``stop`` goes before its own).

    ``stop`` None is the end of the run. Raises ValueError for a moment after the run and for a stop before the start.
    """
    if isinstance(start, str) and start in PRESETS:
        start, preset_stop = PRESETS[start]
        stop = preset_stop if stop is None else stop
    stop = 1.0 if stop is None else stop
    found = Window(lowest(start, levels, f"{name}_start"), lowest(stop, levels, f"{name}_stop"))
    if found.start < found.stop:
        raise ValueError(f"{name}_start {start!r} comes after {name}_stop {stop!r} in this run")
    return found


def lowest(value: float | str, levels: Sequence[Level], name: str) -> float:
    """The ``lowest`` of the segment (see ``switch``) that a moment ends. Raises ValueError for a step after the run."""
    kind, number = moment(value, name)
    if kind == "fraction":
        return fraction(levels, number)
    if kind == "sigma":  # sigma / alpha, as k-diffusion counts
        return math.nextafter(number / math.hypot(1, number), math.inf) if number else 0.0
    if number > len(levels) - 1:
        raise ValueError(f"{name} is {value!r}, but the run has {len(levels) - 1} steps")
    return ending(levels, int(number))


def steps_inside(inside: Window, levels: Sequence[Level]) -> list[int]:
    """The steps, counted from 0, that begin in the window."""
    return [k for k, level in enumerate(levels[:-1]) if inside.stop <= level.sigma < inside.start]


def windowed(inside: Window, within: Denoise, without: Denoise) -> Denoise:
    """``within`` in the window and ``without`` before and after it; what is never reached costs nothing."""
    return switch([(inside.start, without), (inside.stop, within), (0.0, without)])
