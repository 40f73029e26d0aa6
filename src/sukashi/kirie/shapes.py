"""Simple shapes cut from coloured paper."""

from __future__ import annotations

from math import cos, pi, sin

from sukashi.kirie.canvas import Pen, Point
from sukashi.kirie.palette import SHAPE
from sukashi.kirie.scene import Shape


def draw_shape(pen: Pen, shape: Shape) -> None:
    """Draw one shape where it is."""
    pen, colour = pen.on("shape").move(shape.x, shape.y, shape.radius / 26), SHAPE[shape.colour]
    if shape.kind == "circle":
        pen.ellipse(0, 0, 26, 26, colour)
    elif shape.kind == "square":
        pen.box(-23, -23, 23, 23, 2, colour)
    elif shape.kind == "triangle":
        pen.polygon([(0, -27), (28, 22), (-28, 22)], colour)
    elif shape.kind == "star":
        pen.polygon(_star(), colour)
    else:
        pen.polygon(_heart(), colour)


def _star() -> list[Point]:
    """Five points on a circle of radius 29 and five between them on one of 12."""
    turns = [(29 if k % 2 == 0 else 12.5, pi * k / 5) for k in range(10)]
    return [(r * sin(turn), 2 - r * cos(turn)) for r, turn in turns]


def _heart() -> list[Point]:
    """The curve x = 16 sin^3 t, y = 13 cos t - 5 cos 2t - 2 cos 3t - cos 4t, 26 px to a side."""
    steps = [2 * pi * k / 48 for k in range(48)]
    up = [13 * cos(t) - 5 * cos(2 * t) - 2 * cos(3 * t) - cos(4 * t) for t in steps]
    return [(1.6 * 16 * sin(t) ** 3, -1.6 * y - 2) for t, y in zip(steps, up, strict=True)]
