"""The table and the sheet of ``watch.accuracy``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from sukashi.watch.accuracy import THRESHOLD, Found, Measured, Score, error, mean_score
from sukashi.watch.overlay import outlined, overlay, rows_of

LABEL = 16  # pixels under a picture
SHOWN = ("glasses", "hat", "crown", "scarf", "pizza", "ice cream", "cat", "robot", "ship", "sunrise", "star", "forest")


def table(measured: Measured) -> str:
    """Markdown: for every word its maps against the truth, the maps of the other words, and chance."""
    lines = [
        "| word | pictures | area | points at it | other words | IoU | other words | chance | mass | other words |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row, found in measured.rows.items():
        lines.append(f"| {row} | {len(found)} | {_mean(found, 'chance', 0)} | {_cells(found)} |")
    lines.append(f"| **mean of the rows** | {measured.pictures} | {_overall(measured)} |")
    return "\n".join([*lines, "", NOTES])


NOTES = (
    "area: the share of the cells that show the thing, and so the chance of pointing at it. points at it: how often "
    f"the highest cell of the map is one of them. IoU: of these cells and those above {THRESHOLD:g} of the map's "
    "highest; its chance is that of the same map with its cells shuffled. mass: the mean of the map on the thing over "
    "its mean everywhere; 1 is chance. other words: the same of the maps of all other words of the caption. "
    "± is one standard error over pictures."
)


def _mean(found: Sequence[Found], which: str, column: int) -> str:
    return f"{mean_score([getattr(one, which) for one in found])[column]:.2f}"


def _cells(found: Sequence[Found]) -> str:
    own, other, chance = ([getattr(one, name) for one in found] for name in ("own", "others", "chance"))
    said: list[Score] = [one for one in other if one is not None]
    points, overlap, mass = (_with_error([one[k] for one in own]) for k in range(3))
    beside = [f"{value:.2f}" for value in mean_score(said)] if said else ["-"] * 3
    return " | ".join([points, beside[0], overlap, beside[1], f"{mean_score(chance).overlap:.2f}", mass, beside[2]])


def _with_error(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.2f} ± {error(values):.2f}"


def _overall(measured: Measured) -> str:
    """Means of the rows' means."""

    def mean(pick: Callable[[Found], Score | None]) -> Score:
        rows = [[score for one in found if (score := pick(one))] for found in measured.rows.values()]
        return mean_score([mean_score(row) for row in rows if row])

    own, others, chance = mean(lambda one: one.own), mean(lambda one: one.others), mean(lambda one: one.chance)
    overlaps = [own.overlap, others.overlap, chance.overlap]
    cells = [chance.points, own.points, others.points, *overlaps, own.mass, others.mass]
    return " | ".join(f"{value:.2f}" for value in cells)


def by_layer(measured: Measured) -> str:
    """Markdown: the mass of the words' own maps in every layer."""
    lines = ["| layer | mass |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {_with_error(values)} |" for name, values in measured.layers.items())])


def facts(measured: Measured) -> dict[str, Any]:
    """Everything as JSON values."""
    rows = {
        row: [{"own": one.own, "others": one.others, "chance": one.chance} for one in found]
        for row, found in measured.rows.items()
    }
    return {"pictures": measured.pictures, "change": measured.change, "rows": rows, "layers": measured.layers}


def sheet(measured: Measured, words: Sequence[str] = SHOWN, layer: str | None = None, columns: int = 4) -> Image.Image:
    """For each word its first picture: as drawn with the truth outlined, and the map over what was drawn again."""
    tiles = []
    for row in words:
        if row in measured.shown:
            word, seen = measured.shown[row]
            mask = seen.drawn.masks[word]
            left = outlined(seen.drawn.picture, mask)
            right = outlined(overlay(seen.redrawn, seen.maps.word(word, layer=layer)), mask)
            tiles.append(labelled(rows_of([left, right], 2), f"{word}: {seen.drawn.caption}"))
    return rows_of(tiles, columns).quantize(200, dither=Image.Dither.NONE)


def labelled(picture: Image.Image, text: str) -> Image.Image:
    """A picture with a line of text under it, cut to fit, and a margin."""
    font = ImageFont.load_default(10)
    paper = Image.new("RGB", (picture.width + 6, picture.height + LABEL), "white")
    paper.paste(picture, (3, 0))
    while font.getlength(text) > picture.width:
        text = text.removesuffix("…")[:-1] + "…"
    ImageDraw.Draw(paper).text((4, picture.height + 2), text, "black", font)
    return paper
