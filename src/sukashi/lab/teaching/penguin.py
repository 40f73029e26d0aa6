"""A character that kirie never saw: a penguin in a striped shirt with a star badge, cut from the same paper.

It wears and eats what the others do, at the same places of its face (``sukashi.kirie.figures``).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, sin

from sukashi.kirie.canvas import Pen, Point
from sukashi.kirie.palette import INK, PAPER, Colour, mix
from sukashi.kirie.scene import Figure
from sukashi.kirie.things import draw_food, draw_glasses, draw_hat, draw_scarf

ORANGE: Colour = (250, 158, 52)
BLUSH: Colour = (250, 170, 164)
HAT_HEIGHT, NECK = -21, 24


@dataclass(frozen=True)
class Look:
    """Its colours; None leaves the stripes or the star away."""

    coat: Colour = (56, 86, 156)
    stripes: Colour | None = (238, 100, 82)
    star: Colour | None = (255, 208, 56)

    @property
    def wing(self) -> Colour:
        """A little darker than the coat."""
        return mix(self.coat, INK, 0.3)


THE_ONE = Look()


def draw_penguin(pen: Pen, figure: Figure, look: Look = THE_ONE) -> None:
    """Draw the penguin with everything it wears and eats; it stands or waves."""
    head = pen.move(64 + figure.x, 52 + figure.y, 0.92 * figure.scale)
    _body(head.on("body"), look, waving=figure.pose == "waving", eating=bool(figure.food))
    if figure.scarf:
        draw_scarf(head.on("scarf").move(0, NECK), figure.scarf, flying=False)
    _head(head.on("head"), look)
    _face(head.on("face"), eating=bool(figure.food))
    if figure.glasses:
        draw_glasses(head.on("glasses"), light=False)
    if figure.hat:
        draw_hat(head.on("hat").move(0, HAT_HEIGHT), figure.hat, figure.hat_colour)
    if figure.food:
        _wing(head.on("body"), look, [(24, 50), (34, 44), (29, 33)])
        draw_food(head.on("food"), figure.food)


def _body(body: Pen, look: Look, *, waving: bool, eating: bool) -> None:
    for side in (-1, 1):
        body.ellipse(side * 12, 92, 12, 6, ORANGE)
        if waving and side < 0:
            _wing(body, look, [(-22, 44), (-36, 34), (-41, 10)])
        elif not (eating and side > 0):
            _wing(body, look, [(side * 22, 40), (side * 31, 54), (side * 32, 72)])
    body.ellipse(0, 60, 28, 40, look.coat)
    body.polygon(_band(50, 98), PAPER, shadow=False)
    if look.stripes:
        for top in (50, 66, 82):
            body.polygon(_band(top, top + 8), look.stripes, shadow=False)
    if look.star:
        body.move(0, 37).polygon(_star(14), look.star, shadow=False)


def _wing(body: Pen, look: Look, points: list[Point]) -> None:
    body.line(points, 11, look.wing)


def _head(head: Pen, look: Look) -> None:
    head.polygon([(-3, -20), (-7, -33), (0, -27), (5, -34), (5, -20)], look.coat)
    head.ellipse(0, 0, 27, 24, look.coat)
    for side in (-1, 1):
        head.ellipse(side * 9.5, 1, 11.5, 14, PAPER, shadow=False)
    head.ellipse(0, 10, 16, 10, PAPER, shadow=False)


def _face(face: Pen, *, eating: bool) -> None:
    for side in (-1, 1):
        face.ellipse(side * 10, -1, 3.0, 3.6, INK, shadow=False)
        face.ellipse(side * 15.5, 8, 3.8, 2.8, BLUSH, shadow=False)
    if eating:
        face.polygon([(-6, 12), (6, 12), (0, 19)], mix(ORANGE, INK, 0.3))
    face.polygon([(-7.5, 6), (7.5, 6), (0, 12 if eating else 15)], ORANGE)


def _band(top: float, bottom: float) -> list[Point]:
    """A stripe of the shirt, from y ``top`` to ``bottom``: what lies inside the ellipse of the body."""
    rows = [top + (bottom - top) * k / 8 for k in range(9)]
    half = [(28 * max(0.0, 1 - ((y - 60) / 40) ** 2) ** 0.5, y) for y in rows]
    return [*half, *((-x, y) for x, y in reversed(half))]


def _star(radius: float) -> list[Point]:
    """Five points on a circle of ``radius`` and five between them at 0.45 of it."""
    turns = [(radius * (1 if k % 2 == 0 else 0.45), pi * k / 5) for k in range(10)]
    return [(r * sin(turn), -r * cos(turn)) for r, turn in turns]
