"""Lines in a frame, drawn with PIL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

INKS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189))
LEFT, TOP, RIGHT, BOTTOM = 70, 40, 620, 320  # the frame, in pixels
SIZE = (640, 380)


class Line(NamedTuple):
    """Points (x, y) with x rising and y in 0..1, and what they are."""

    name: str
    points: Sequence[tuple[float, float]]


def curve(lines: Sequence[Line], title: str, x_name: str, y_name: str) -> Image.Image:
    """A picture of the lines; y from 0 to 1, x from the smallest to the largest."""
    picture = Image.new("RGB", SIZE, "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    xs = sorted({x for line in lines for x, _ in line.points})
    low, high = xs[0], xs[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        return LEFT + (x - low) / ((high - low) or 1) * (RIGHT - LEFT), BOTTOM - y * (BOTTOM - TOP)

    for tick in range(6):
        y = tick / 5
        pen.line([place(low, y), place(high, y)], fill=(225, 225, 225))
        pen.text((LEFT - 10, place(low, y)[1]), f"{y:.1f}", fill="black", font=font, anchor="rm")
    for x in xs:
        pen.text((place(x, 0)[0], BOTTOM + 8), f"{x:g}", fill="black", font=font, anchor="mt")
    pen.rectangle([LEFT, TOP, RIGHT, BOTTOM], outline="black")
    pen.text((LEFT, 3), title, fill="black", font=font)
    pen.text((RIGHT, BOTTOM + 30), x_name, fill="black", font=font, anchor="rt")
    pen.text((10, TOP - 19), y_name, fill="black", font=font)
    for k, (line, ink) in enumerate(zip(lines, INKS, strict=False)):
        points = [place(x, y) for x, y in line.points]
        pen.line(points, fill=ink, width=2)
        for x, y in points:
            pen.ellipse([x - 3, y - 3, x + 3, y + 3], fill=ink)
        pen.line([(LEFT + 10 + 270 * k, SIZE[1] - 20), (LEFT + 40 + 270 * k, SIZE[1] - 20)], fill=ink, width=2)
        pen.text((LEFT + 48 + 270 * k, SIZE[1] - 20), line.name, fill="black", font=font, anchor="lm")
    return picture
