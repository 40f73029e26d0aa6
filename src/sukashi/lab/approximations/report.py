"""What approximations cost in quality and save in work: a table, its numbers as JSON, and a sheet of pictures."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from sukashi.lab.approximations.measure import SAME, SHOWN
from sukashi.lab.approximations.ways import EXACT, ways

LABEL = 210  # pixels for the names beside the pictures


class Row(NamedTuple):
    """One way over all prompts; shares are of the exact row, ± is one standard error."""

    name: str
    asked: str  # the settings, as Python writes them
    pictures: float  # that the U-Net was asked about, for each one drawn
    operations: float  # of the U-Net, as a share
    cpu: float  # seconds of the processor of whole pictures, as a share: median over prompts
    psnr: tuple[float, float, float]  # dB to the exact picture: mean, least, most
    distance: float  # in the features of the probe, mean
    right: tuple[float, float]  # share of claims that hold, ±
    change: tuple[float, float]  # of that share, from the exact pictures of the same prompts, ±


def rows(lines: Sequence[dict[str, Any]]) -> list[Row]:
    """A row for every way, from the lines of ``measure.run``."""
    made, found = ways(lines[0]["facts"]["steps"]), []
    exact = [line["rows"][0] for line in lines]
    totals = [one["claims"] for one in exact]
    for r, way in enumerate(made):
        mine = [line["rows"][r] for line in lines]
        psnr = [one["psnr"] for one in mine]
        before, after = ([one["right"] for one in side] for side in (exact, mine))
        found.append(
            Row(
                name=way.name,
                asked=", ".join(f"{key}={value!r}" for key, value in way.asked.items()),
                pictures=statistics.fmean(one["pictures"] for one in mine),
                operations=sum(one["operations"] for one in mine) / sum(one["operations"] for one in exact),
                cpu=statistics.median(a["cpu"] / b["cpu"] for a, b in zip(mine, exact, strict=True)),
                psnr=(statistics.fmean(psnr), min(psnr), max(psnr)),
                distance=statistics.fmean(one["distance"] for one in mine),
                right=share(after, totals),
                change=share([a - b for a, b in zip(after, before, strict=True)], totals),
            )
        )
    return found


def share(parts: Sequence[float], totals: Sequence[float]) -> tuple[float, float]:
    """Sum of ``parts`` over sum of ``totals`` and its standard error, by prompts: claims of one picture go together.

    The error is that of a ratio (Cochran 1977, "Sampling Techniques", eq. 6.13), not a number for a single prompt.
    """
    n, whole = len(parts), sum(totals)
    ratio = sum(parts) / whole
    left = sum((p - ratio * t) ** 2 for p, t in zip(parts, totals, strict=True))
    return ratio, math.sqrt(n / (n - 1) * left) / whole if n > 1 else math.nan


def table(found: Sequence[Row], facts: dict[str, Any], count: int, seconds: float) -> str:
    """The rows in Markdown; ``seconds`` are those of the processor for one exact picture."""
    lines = [
        f"{facts['model']} (weights {facts['weights']}), {count} prompts of its world, one seed each; exact is "
        f"{facts['sampler']} with {facts['steps']} steps and guidance {facts['guidance']:g}, {seconds:.2f} s of the "
        "processor for a picture.",
        "",
        "| way | asked for as | pictures asked | operations | CPU time | PSNR, dB | distance | claims hold | change |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in found:
        equal = row.psnr[1] == SAME
        psnr = "equal" if equal else f"{row.psnr[0]:.1f} ({row.psnr[1]:.1f} to {row.psnr[2]:.1f})"
        change = "-" if row.name == EXACT else f"{100 * row.change[0]:+.1f} ± {100 * row.change[1]:.1f}"
        lines.append(
            f"| {row.name} | {f'`{row.asked}`' if row.asked else '-'} | {row.pictures:.1f} | {row.operations:.2f} "
            f"| {row.cpu:.2f} | {psnr} | {row.distance:.3f} | {100 * row.right[0]:.1f} ± {100 * row.right[1]:.1f} % "
            f"| {change} |"
        )
    return "\n".join(lines) + "\n"


def report(lines: list[dict[str, Any]], folder: Path) -> str:
    """Write approximations.md, .json and .png into ``folder``; gives the table."""
    found, facts = rows(lines), lines[0]["facts"]
    seconds = statistics.median(line["rows"][0]["cpu"] for line in lines)
    text = table(found, facts, len(lines), seconds)
    (folder / "approximations.md").write_text(text, encoding="utf-8")
    values = {**facts, "prompts": [line["prompt"] for line in lines], "seconds of an exact picture": seconds}
    values["rows"] = [{k: None if v != v else v for k, v in row._asdict().items()} for row in found]
    (folder / "approximations.json").write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    sheet(folder, found, min(len(lines), SHOWN)).save(folder / "approximations.png")
    return text


def sheet(folder: Path, found: Sequence[Row], columns: int) -> Image.Image:
    """The pictures of the first prompts: one row for every way, named on the left."""
    paper = pen = None
    for r, row in enumerate(found):
        for k in range(columns):
            with Image.open(folder / "pictures" / f"{k}-{r}.png") as picture:
                wide, high = picture.width + 2, picture.height + 2
                if paper is None:
                    paper = Image.new("RGB", (LABEL + columns * wide, len(found) * high), "white")
                paper.paste(picture, (LABEL + k * wide, r * high))
        assert paper is not None
        pen = pen or ImageDraw.Draw(paper)
        words = f"{row.name}\n" + re.sub(r", (?=[a-z])", "\n", row.asked)
        pen.multiline_text((6, r * high + high // 3), words, "black", ImageFont.load_default(12))
    assert paper is not None
    return paper
