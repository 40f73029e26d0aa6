"""The approximations that are measured, each as the settings that ask for it."""

from __future__ import annotations

from typing import Any, NamedTuple

EXACT, OTHER = "exact", "another seed"


class Way(NamedTuple):
    """One row: its name, and what it asks for beside the prompt and the seed."""

    name: str
    asked: dict[str, Any]


def ways(steps: int) -> list[Way]:
    """All rows for a model that is drawn in so many steps; the first is exact, the second tells how far far is.

    Raises ValueError for fewer than 4 steps, of which there are no parts.
    """
    if steps < 4:
        raise ValueError(f"steps is {steps}; at least 4 are accepted")
    half, quarter = steps // 2, steps // 4
    return [
        Way(EXACT, {}),
        Way(OTHER, {}),
        Way("no guidance at all", {"guidance": 1.0}),
        Way("guidance interval", {"guide": "interval"}),
        Way("adaptive guidance", {"guide": "cutoff"}),
        Way("adaptive guidance, later", {"guide": "cutoff(similarity=0.999)"}),
        Way("DeepCache", {"deepcache": 2}),
        Way("DeepCache", {"deepcache": [2, 1]}),
        Way("DeepCache", {"deepcache": 3}),
        Way("T-GATE", {"tgate": half}),
        Way("T-GATE", {"tgate": quarter}),
        Way("T-GATE and DeepCache", {"tgate": half, "deepcache": 2}),
        Way("half the steps", {"steps": half}),
        Way("DPM++ 2M", {"steps": 3 * quarter, "sampler": "dpmpp_2m"}),
        Way("DPM++ 2M", {"steps": half, "sampler": "dpmpp_2m"}),
        Way("DPM++ 2M, adaptive guidance", {"steps": half, "sampler": "dpmpp_2m", "guide": "cutoff"}),
        Way("LCM sampler, model not distilled", {"steps": 4, "sampler": "lcm", "guidance": 1.0}),
    ]


def told(way: Way) -> str:
    """How a row is asked for, as Python writes it; it tells rows apart."""
    if way.name in (EXACT, OTHER):
        return way.name
    return ", ".join(f"{key}={value!r}" for key, value in way.asked.items())
