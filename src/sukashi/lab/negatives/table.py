"""The table and the curve of the experiment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sukashi.lab.curve import Line, curve


class Row(NamedTuple):
    """One variant over all pictures; rates in 0..1 with the number of pictures they are of."""

    variant: str  # 'none', 'all', 'positive' or the steps 'a-b'
    glasses: float
    pictures: int
    brought: float  # of the pictures without the thing under 'none': with it now (reverse activation)
    brought_of: int
    kept: float  # of those with it under 'none': with it still
    kept_of: int
    change: float  # mean change of 255 from 'none'
    outside: float  # the same outside the thing


def rows(lines: Sequence[dict[str, Any]]) -> list[Row]:
    """One row a variant, over the prompts of ``measure.run``."""
    before = [p > 0.5 for line in lines for p in line["variants"]["none"]["probability"]]
    found = []
    for variant in lines[0]["variants"]:
        values = {
            key: [value for line in lines for value in line["variants"][variant][key]]
            for key in ("probability", "change", "outside")
        }
        now = [p > 0.5 for p in values["probability"]]
        new = [b for a, b in zip(before, now, strict=True) if not a]
        old = [b for a, b in zip(before, now, strict=True) if a]
        change, outside = mean(values["change"]), mean(values["outside"])
        found.append(Row(variant, mean(now), len(now), mean(new), len(new), mean(old), len(old), change, outside))
    return found


def plain(row: Row) -> dict[str, Any]:
    """A row as JSON values; a rate of no pictures is null."""
    return {key: None if value != value else value for key, value in row._asdict().items()}


def mean(values: Sequence[float]) -> float:
    """The mean; not a number of nothing."""
    return sum(values) / len(values) if values else math.nan


def share(rate: float, count: int) -> str:
    """'0.38 ± 0.05', with the standard error of a rate of ``count`` pictures; '-' of none."""
    return f"{rate:.2f} ± {math.sqrt(rate * (1 - rate) / count):.2f}" if count else "-"


def table(found: Sequence[Row], facts: dict[str, Any]) -> str:
    """The rows in Markdown."""
    n = facts["steps"]
    named = {"none": "no negative prompt", "all": "all steps", "positive": "none; the prompt says 'with glasses'"}
    head = found[0]
    lines = [
        f"{facts['model']} ({facts['weights']}), negative prompt {facts['negative']!r}, {n} steps of DDIM, "
        f"guidance {facts['guidance']:g}, {head.pictures} pictures.",
        "",
        f"| negative prompt holds | glasses | brought, of {head.brought_of} without | "
        f"kept, of {head.kept_of} with | change | change outside the glasses |",
        "|---|---|---|---|---|---|",
    ]
    for row in found:
        where = named.get(row.variant) or f"steps {row.variant} of {n}"
        lines.append(
            f"| {where} | {share(row.glasses, row.pictures)} | {share(row.brought, row.brought_of)} "
            f"| {share(row.kept, row.kept_of)} | {row.change:.1f} | {row.outside:.1f} |"
        )
    return "\n".join([*lines, "", NOTES, ""])


NOTES = (
    "glasses: share of all pictures. brought: of the pictures that have none without a negative prompt, those that do "
    "now; above 0 for a window of early steps, that is reverse activation. kept: of the pictures that have glasses "
    "without a negative prompt, those that still do. change: mean difference of 255 from the picture of the same seed "
    "without a negative prompt. ± is one standard error."
)


def draw_curve(found: Sequence[Row], steps: int, file: Path) -> None:
    """How often there are glasses when the negative prompt holds until, or from, a step; a PNG."""
    by_name = {row.variant: row.glasses for row in found}
    pairs = [(row.glasses, *map(int, row.variant.split("-"))) for row in found if "-" in row.variant]
    until = [(0, by_name["none"]), *sorted((b, y) for y, a, b in pairs if a == 0), (steps, by_name["all"])]
    after = [(0, by_name["all"]), *sorted((a, y) for y, a, b in pairs if b == steps), (steps, by_name["none"])]
    lines = [Line("from the start until step x", until), Line("from step x to the end", after)]
    curve(lines, f"negative prompt 'glasses' in {steps} steps", "step", "pictures with glasses").save(file)
