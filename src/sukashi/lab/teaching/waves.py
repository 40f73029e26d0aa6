"""A background that kirie never saw: paper waves in rows, each of three rings (the Japanese pattern seigaiha)."""

from __future__ import annotations

from random import Random

from sukashi.kirie.canvas import SIZE, Pen
from sukashi.kirie.palette import Colour

RINGS: tuple[Colour, ...] = ((36, 128, 132), (246, 236, 208), (36, 128, 132))  # from outside in
RADIUS = 32.0
PAPER = RINGS[0]


def draw_waves(pen: Pen, layout: int) -> None:
    """Cover the picture; ``layout`` is the seed of where the pattern begins."""
    rng = Random(f"waves {layout}")
    left, top = -rng.random() * 2 * RADIUS, -rng.random() * RADIUS
    for row in range(int(SIZE / (RADIUS / 2)) + 4):
        y = top + row * RADIUS / 2
        for k in range(int(SIZE / (2 * RADIUS)) + 3):
            x = left + (2 * k + row % 2) * RADIUS
            for ring, colour in enumerate(RINGS):
                r = RADIUS * (1 - 0.36 * ring)
                pen.ellipse(x, y, r, r, colour, shadow=ring == 0)
