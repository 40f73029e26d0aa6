"""The experiment with the probe as eyes, and the files it leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sukashi.kirie.canvas import PARTS
from sukashi.lab.heads import HEADS
from sukashi.lab.negatives.measure import Look, Seen
from sukashi.lab.negatives.table import draw_curve, plain, rows, table
from sukashi.lab.probe import Probe


def looking(probe: Probe) -> Look:
    """The probe as what finds glasses: its answer about the figure, and its map of parts."""

    def look(images: Tensor) -> Seen:
        with torch.no_grad():
            answers = probe(images * 2 - 1)
        has = answers.heads["glasses"].softmax(dim=1)[:, HEADS["glasses"].index("yes")]
        part = answers.maps["part"].argmax(dim=1)  # (B, 32, 32)
        fine = images.shape[2] // part.shape[1]
        place = (part == PARTS.index("glasses")).repeat_interleave(fine, dim=1).repeat_interleave(fine, dim=2)
        return Seen(has, place)

    return look


def report(lines: list[dict[str, Any]], folder: Path) -> str:
    """Write negatives.md, negatives.json and negatives.png of what ``measure.run`` found; gives the table."""
    found, facts = rows(lines), lines[0]["facts"]
    text = table(found, facts)
    (folder / "negatives.md").write_text(text, encoding="utf-8")
    values = {**facts, "prompts": [line["prompt"] for line in lines], "rows": [plain(row) for row in found]}
    (folder / "negatives.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    draw_curve(found, facts["steps"], folder / "negatives.png")
    return text
