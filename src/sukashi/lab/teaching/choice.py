"""When to stop: of the states that a training has kept, that which draws prompts of its own for this best.

None of these prompts is among those that the table is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def states(folder: Path, steps: int) -> list[Path]:
    """What a training kept in its second half, the last state last; its folder itself where nothing was kept."""
    kept = [path for path in sorted(folder.glob("step-*")) if 2 * step_of(path) >= steps]
    return kept or [folder]


def step_of(state: Path) -> int:
    """'step-000300' -> 300."""
    return int(state.name.removeprefix("step-"))


def score(found: Mapping[str, Any]) -> float:
    """The share of all pictures' claims that hold in pictures that show the concept: 0 to 1."""
    rights = [[right for _, _, right in verdict] for verdict in found["verdicts"]]
    return sum(seen * sum(own) / len(own) for seen, own in zip(found["seen"], rights, strict=True)) / len(rights)


def best(kept: Sequence[Path], judge: Callable[[Path], float]) -> Path:
    """The state that is judged highest, of several the last; a single one is not judged."""
    return kept[0] if len(kept) == 1 else max(reversed(kept), key=judge)
