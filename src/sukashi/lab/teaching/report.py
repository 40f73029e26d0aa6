"""The numbers of a teaching experiment as a table, and its pictures as a sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from sukashi.lab.score import standard_error
from sukashi.lab.teaching.questions import seen_first

LABEL, GAP, SIDE = 84, 3, 104  # pixels of the sheet


class Row(NamedTuple):
    """One line of the table: what was measured of one model."""

    title: str
    concept: Mapping[str, Any]  # answers about new prompts with the concept
    others: Mapping[str, Any] | None = None  # answers about everybody else
    minutes: float | None = None  # of training, by the clock
    busy: float | None = None  # of training, of one CPU core
    steps: int | None = None


def share(hits: Sequence[bool]) -> str:
    """'92 ± 4'."""
    if not hits:
        return "-"
    return f"{100 * sum(hits) / len(hits):.0f} ± {100 * standard_error(sum(hits), len(hits)):.0f}"


def claims(found: Mapping[str, Any], *what: str, pictures: slice = slice(None)) -> list[bool]:
    """Whether each claim held: all but that about the kind of picture, or only those about ``what``."""
    return [
        right
        for verdict in found["verdicts"][pictures]
        for name, _, right in verdict
        if (name in what if what else name != "kind")
    ]


def pizza(found: Mapping[str, Any], concept: str) -> list[bool]:
    """Whether the concept, the glasses and the pizza are all seen, for each picture of the first prompt."""
    first = slice(0, seen_first(concept, len(found["seen"])))
    return [
        bool(seen and all(right for *_, right in verdict))
        for seen, verdict in zip(found["seen"][first], found["verdicts"][first], strict=True)
    ]


def change(now: Mapping[str, Any], before: Mapping[str, Any], *what: str) -> str:
    """By how many points fewer claims hold than before: '-1.2 ± 0.8', with the error of paired pictures."""
    drops = []
    for new, old in zip(now["verdicts"], before["verdicts"], strict=True):
        pairs = [(a[2], b[2]) for a, b in zip(new, old, strict=True) if (a[0] in what if what else a[0] != "kind")]
        drops += [sum(a - b for a, b in pairs) / len(pairs)] if pairs else []
    if not drops:
        return "-"
    mean = sum(drops) / len(drops)
    spread = (sum((drop - mean) ** 2 for drop in drops) / max(1, len(drops) - 1) / len(drops)) ** 0.5
    return f"{100 * mean:+.1f} ± {100 * spread:.1f}"


def table(rows: Sequence[Row], concept: str) -> list[str]:
    """Lines of Markdown. The first row with answers about others is what the others are compared with."""
    before = next((row.others for row in rows if row.others), None)
    anybody, hats = concept != "waves", concept == "penguin"
    head = [
        "",
        f"the {concept} seen, %",
        *(["... with glasses and pizza, %"] if anybody else []),
        "rest of the prompt, %",
    ]
    head += [
        *(["glasses, %", "food, %"] if anybody else []),
        *(["hat, %"] if hats else []),
        "others: claims, points",
        "others: subject, points",
    ]
    head += [f"others that became the {concept}, %", "steps", "minutes (of CPU)"]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for row in rows:
        found = row.concept
        cells = [
            row.title,
            share(found["seen"]),
            *([share(pizza(found, concept))] if anybody else []),
            share(claims(found)),
        ]
        cells += [share(claims(found, what)) for what in ("glasses", "food") if anybody]
        cells += [share(claims(found, "hat"))] if hats else []
        if row.others is None or before is None:
            cells += ["", "", ""]
        elif row.others is before:
            cells += [f"{share(claims(before))} right", f"{share(claims(before, 'subject'))} right"]
            cells += [share(before["seen"])]
        else:
            cells += [change(row.others, before), change(row.others, before, "subject"), share(row.others["seen"])]
        cells.append("" if row.steps is None else str(row.steps))
        cells.append("" if row.minutes is None else f"{row.minutes:.1f} ({row.busy:.1f})")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def sheet(rows: Sequence[tuple[str, Sequence[Image.Image]]]) -> Image.Image:
    """Rows of pictures, each with its name on the left, in 255 colours so that the file is small."""
    font = ImageFont.load_default(11)
    columns = max(len(pictures) for _, pictures in rows)
    size = (LABEL + columns * (SIDE + GAP) + GAP, len(rows) * (SIDE + GAP) + GAP)
    page = Image.new("RGB", size, "white")
    for row, (name, pictures) in enumerate(rows):
        y = GAP + row * (SIDE + GAP)
        words = fill(name, 13)
        ImageDraw.Draw(page).multiline_text((GAP, y + 36), words, "black", font, spacing=2)
        for column, picture in enumerate(pictures):
            small = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            page.paste(small, (LABEL + column * (SIDE + GAP), y))
    return page.quantize(255, dither=Image.Dither.NONE)
