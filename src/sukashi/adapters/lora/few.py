"""LoRAs that make a model draw in few steps, known by the names that their authors gave them, and how each is sampled.

Such a file is distilled for one sampler, one grid and mostly no guidance; with others it draws nonsense. What is said
here takes the place of the model's defaults; whatever is asked for goes before it.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple


class Few(NamedTuple):
    """How a few-step LoRA wants to be sampled."""

    name: str
    settings: dict[str, Any]  # of ``Settings``

    def __str__(self) -> str:
        told = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        return f"draws in few steps ({self.name}): {told}, where nothing else is asked for"


class Kind(NamedTuple):
    """One family of files: a pattern of their names, the steps where the name has none, and the rest."""

    name: str
    pattern: str
    steps: int | None  # None: only names that say their steps
    settings: dict[str, Any]


KINDS = (
    # Luo et al. 2023, arXiv:2311.05556
    Kind("LCM", r"(?<![a-z])lcm(?![a-z])", 4, {"sampler": "lcm", "guidance": 1.0}),
    # Lin et al. 2024, arXiv:2402.13929, and its model card: Euler, trailing steps, no guidance
    Kind("Lightning", r"lightning", None, {"sampler": "euler", "grid": "trailing", "guidance": 1.0}),
    # Ren et al. 2024, arXiv:2404.13686, its model card: DDIM, trailing steps; those called CFG keep guidance, 5 to 8
    Kind("Hyper-SD, guided", r"hyper.?sd.*cfg", None, {"sampler": "ddim", "grid": "trailing", "guidance": 5.0}),
    Kind("Hyper-SD", r"hyper.?sd", None, {"sampler": "ddim", "grid": "trailing", "guidance": 1.0}),
    # Zheng et al. 2024, arXiv:2402.19159: gamma is 0.3, as the sampler has it
    Kind("TCD", r"(?<![a-z])tcd(?![a-z])", 4, {"sampler": "tcd", "guidance": 1.0}),
)


def few_steps(source: str) -> Few | None:
    """What a file or hub id called so wants; None for all others, and for those of a single step."""
    name = " ".join(re.split(r"[/\\]", source.lower())[-2:])
    said = re.search(r"(\d+)[ _-]?steps?(?![a-z])", name)
    for kind in KINDS:
        steps = int(said[1]) if said else kind.steps
        if re.search(kind.pattern, name) and steps is not None and 1 < steps <= 16:
            return Few(kind.name, {"steps": steps, **kind.settings})
    return None
