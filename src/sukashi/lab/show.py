"""What an evaluation found, as a table to read and a sheet to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from sukashi.lab.score import standard_error

LABEL = 96  # pixels for the names beside the pictures


def table(found: dict[str, Any]) -> list[str]:
    """Lines: one row per attribute with percent and binomial standard error, one column per guidance."""
    columns: dict[str, Any] = found["columns"]
    names = list(dict.fromkeys(name for column in columns.values() for name in column["rows"]))
    lines = [f"{'':<15}" + "".join(f"{name:>17}" for name in columns)]
    for name in names:
        if name == "all attributes":
            lines.append("")
        lines.append(f"{name:<15}" + "".join(f"{_share(column['rows'].get(name)):>17}" for column in columns.values()))
    for name in ("frechet", "kernel distance"):
        lines.append(f"{name:<15}" + "".join(f"{column[name]:>17.4f}" for column in columns.values()))
    for name in ("pictures", "seconds"):
        lines.append(f"{name:<15}" + "".join(f"{column[name]:>17}" for column in columns.values()))
    return lines


def _share(cell: list[int] | None) -> str:
    if cell is None:
        return "-"
    right, total = cell
    return f"{100 * right / total:.1f} ± {100 * standard_error(right, total):.1f} %"


def sheet(folder: Path, found: dict[str, Any]) -> Image.Image:
    """The first pictures of every column, one row each, named on the left."""
    strips = {name: Image.open(folder / f"{name.replace(' ', '-')}.png") for name in found["columns"]}
    width = LABEL + max(strip.width for strip in strips.values())
    paper = Image.new("RGB", (width, sum(strip.height for strip in strips.values())), "white")
    y = 0
    for name, strip in strips.items():
        paper.paste(strip, (LABEL, y))
        ImageDraw.Draw(paper).text((6, y + strip.height // 2 - 6), name, "black", ImageFont.load_default(11))
        y += strip.height
    return paper
