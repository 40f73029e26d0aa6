"""What characters wear and eat, drawn around the middle of the face (hats and scarves: around where they sit)."""

from __future__ import annotations

from sukashi.kirie.canvas import Pen
from sukashi.kirie.palette import HAT, INK, PAPER, SCARF, Colour, mix

GOLD: Colour = (246, 200, 60)
TEAL: Colour = (250, 250, 255)


def draw_glasses(pen: Pen, *, light: bool) -> None:
    """Two round frames, a bridge and temples; light frames for dark faces."""
    frame = TEAL if light else INK
    for side in (-1, 1):
        pen.arc(side * 10.5, -1, 10, 10, 0, 360, 2.8, frame)
        pen.line([(side * 20, -2), (side * 25, -4)], 2, frame)
    pen.line([(-1.5, -2), (1.5, -2)], 2.4, frame)


def draw_hat(pen: Pen, kind: str, colour: str) -> None:
    """A top hat, cap, party hat or crown whose brim is at (0, 0)."""
    paper = GOLD if kind == "crown" else HAT[colour]
    if kind == "top hat":
        pen.box(-16, -26, 16, 2, 3, paper)
        pen.box(-16, -7, 16, -1, 0, mix(paper, INK, 0.5), shadow=False)
        pen.box(-26, -1, 26, 5, 3, paper)
    elif kind == "cap":
        pen.pie(0, 3, 25, 20, 180, 360, paper)
        pen.box(4, -1, 37, 5, 3, mix(paper, INK, 0.25))
        pen.ellipse(0, -17, 3, 2.4, mix(paper, PAPER, 0.5), shadow=False)
    elif kind == "party hat":
        pen.polygon([(-17, 4), (17, 4), (0, -32)], paper)
        for x, y in ((-7, -2), (6, -3), (-1, -13), (1, -23)):
            pen.ellipse(x, y, 2.4, 2.4, GOLD, shadow=False)
        pen.ellipse(0, -32, 5, 5, PAPER)
    else:
        pen.polygon([(-20, 4), (-23, -18), (-11, -8), (0, -22), (11, -8), (23, -18), (20, 4)], paper)
        for x, jewel in ((-11, (214, 60, 70)), (0, (64, 118, 208)), (11, (214, 60, 70))):
            pen.ellipse(x, -1, 2.6, 2.6, jewel, shadow=False)


def draw_scarf(pen: Pen, colour: str, *, flying: bool) -> None:
    """A scarf around the neck, whose end hangs down, or blows behind one who flies."""
    paper = SCARF[colour]
    stripe = mix(paper, PAPER, 0.6)
    end: list[tuple[float, float]]
    fringe: list[tuple[float, float]]
    if flying:
        end = [(-10, -6), (-4, 6), (-34, 14), (-40, 0)]
        fringe = [(-37, 1.5), (-32, 12)]
    else:
        end = [(6, 0), (19, 0), (21, 26), (8, 27)]
        fringe = [(9, 21), (19.5, 20)]
    pen.polygon(end, paper)
    pen.line(fringe, 3, stripe)
    pen.ellipse(-2 if flying else 0, 0, 22, 9, paper)


def draw_food(pen: Pen, kind: str) -> None:
    """A slice of pizza, an apple, an ice cream or a donut, held to the right of the mouth."""
    if kind == "pizza":
        pen.polygon([(6, 16), (40, 8), (32, 38)], (250, 206, 84))
        pen.line([(40, 8), (32, 38)], 6, (194, 126, 62))
        for x, y in ((17, 18), (29, 16), (26, 27)):
            pen.ellipse(x, y, 3.4, 3.4, (204, 56, 46), shadow=False)
    elif kind == "apple":
        pen.ellipse(18, 24, 8.5, 10, (214, 44, 50))
        pen.ellipse(26, 24, 8.5, 10, (214, 44, 50), shadow=False)
        pen.line([(22, 16), (23, 10)], 2.2, (104, 70, 44))
        pen.ellipse(28, 11, 5, 2.8, (80, 164, 80), shadow=False)
    elif kind == "ice cream":
        pen.polygon([(13, 24), (31, 24), (22, 48)], (222, 164, 96))
        pen.ellipse(22, 18, 11, 10, (255, 246, 224))
        pen.ellipse(22, 8, 3.6, 3.6, (220, 50, 70))
    else:
        pen.ellipse(23, 24, 13, 13, (214, 150, 90))
        pen.ellipse(23, 24, 11, 11, (246, 140, 184), shadow=False)
        for x, y, dot in ((16, 20, GOLD), (25, 15, PAPER), (31, 22, (110, 180, 230)), (27, 32, GOLD), (17, 29, PAPER)):
            pen.ellipse(x, y, 1.7, 1.7, dot, shadow=False)
        pen.ellipse(23, 24, 4, 4, (250, 240, 226), shadow=False)
