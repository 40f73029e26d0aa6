"""Backgrounds cut from layers of paper: sky, sea (with sun and ship), mars, forest, night."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from sukashi.kirie.canvas import SIZE, Pen
from sukashi.kirie.palette import BACKGROUND, PAPER, Colour, mix
from sukashi.kirie.scene import Scene

CLOUD: Colour = (250, 251, 253)
GROUND = {"sky": (150, 204, 242), "sea": (182, 222, 244), "mars": (240, 184, 142), "forest": (206, 232, 196)}
NIGHT: Colour = (34, 42, 84)
DAWN: tuple[Colour, ...] = ((248, 168, 140), (250, 190, 128), (253, 214, 138))


def paper(scene: Scene) -> Colour:
    """The colour of the bottom sheet."""
    if scene.place is None:
        return BACKGROUND[scene.paper]
    if scene.place == "night":
        return NIGHT
    return DAWN[0] if scene.sunrise else GROUND[scene.place]


def draw_place(pen: Pen, scene: Scene) -> None:
    """Draw what lies behind the figures."""
    if scene.place:
        PAINTERS[scene.place](pen, scene, Random(scene.layout))


def _sky(pen: Pen, scene: Scene, rng: Random) -> None:
    for x, y in ((18, 24), (108, 34), (14, 96), (112, 104)):
        _cloud(pen.move(x + rng.random() * 14 - 7, y + rng.random() * 16 - 8, 0.8 + rng.random() * 0.35))


def _cloud(pen: Pen) -> None:
    pen = pen.on("cloud")
    for x, y, r in ((-11, 2, 7), (11, 2, 7), (0, -2, 10)):
        pen.ellipse(x, y, r, r, CLOUD)
    pen.box(-18, 1, 18, 9, 4, CLOUD, shadow=False)


def _sea(pen: Pen, scene: Scene, rng: Random) -> None:
    horizon = 72 + rng.random() * 8
    if scene.sunrise:
        pen.ellipse(64, horizon, 84, 58, DAWN[1], shadow=False)
        pen.ellipse(64, horizon, 58, 40, DAWN[2], shadow=False)
        pen.on("sun").ellipse(64 + rng.random() * 20 - 10, horizon - 4, 21, 21, (244, 92, 64))
        water: Colour = (92, 98, 168)
    else:
        _cloud(pen.move(22 + rng.random() * 20, 18 + rng.random() * 8, 0.8))
        _cloud(pen.move(92 + rng.random() * 20, 28 + rng.random() * 8, 0.7))
        water = (58, 134, 198)
    pen.box(-4, horizon, SIZE + 4, SIZE + 4, 0, water)
    if scene.ship:
        _ship(pen.on("ship").move(24 + 80 * (rng.random() < 0.5), horizon + 6, 0.95 if scene.figures else 1.35))
    for row in range(3):
        y, shade = horizon + 14 + 14 * row, mix(water, PAPER, 0.12 + 0.1 * row)
        shift = rng.random() * 20
        for k in range(-1, 8):
            pen.ellipse(shift + 20 * k, y + 8, 11, 7, shade)
        pen.box(-4, y + 6, SIZE + 4, SIZE + 4, 0, shade, shadow=False)


def _ship(pen: Pen) -> None:
    pen.line([(0, 2), (0, -34)], 2, (92, 62, 44))
    pen.polygon([(2, -33), (2, -4), (20, -5)], PAPER)
    pen.polygon([(-2, -29), (-2, -5), (-15, -6)], (244, 226, 196))
    pen.polygon([(-22, 0), (24, 0), (16, 13), (-15, 13)], (150, 70, 48))
    pen.polygon([(0, -34), (10, -38), (0, -41)], (216, 60, 60), shadow=False)


def _mars(pen: Pen, scene: Scene, rng: Random) -> None:
    pen.ellipse(24 + rng.random() * 12, 22 + rng.random() * 8, 7, 7, (252, 222, 190))
    pen.ellipse(98 + rng.random() * 14, 16 + rng.random() * 8, 4, 4, (252, 222, 190))
    pen.ellipse(20 + rng.random() * 20, 130, 74, 48, (214, 120, 78))
    pen.ellipse(108 + rng.random() * 20, 138, 76, 46, (198, 98, 62))
    pen.box(-4, 108, SIZE + 4, SIZE + 4, 0, (178, 80, 50))
    for x, r in ((20, 9), (104, 11)):
        pen.ellipse(x + rng.random() * 8, 117 + rng.random() * 4, r, r * 0.36, (146, 60, 40), shadow=False)


def _forest(pen: Pen, scene: Scene, rng: Random) -> None:
    pen.box(-4, 100, SIZE + 4, SIZE + 4, 0, (146, 194, 120))
    for row, (base, green) in enumerate((((96), (120, 180, 124)), ((112), (62, 136, 88)))):
        for k in range(5):
            x = 4 + 30 * k - 14 * row + rng.random() * 8
            _tree(pen.move(x, base + rng.random() * 6, 0.8 + 0.3 * row + rng.random() * 0.2), green)


def _tree(pen: Pen, green: Colour) -> None:
    pen = pen.on("tree")
    pen.box(-3, -4, 3, 10, 0, (122, 84, 54))
    for y, w in ((0, 17), (-15, 14), (-29, 10)):
        pen.polygon([(-w, y), (w, y), (0, y - 22)], green)


def _night(pen: Pen, scene: Scene, rng: Random) -> None:
    for k in range(11):
        x, y = 6 + 11.5 * k + rng.random() * 6, 6 + rng.random() * 76
        _star(pen.move(x, y, 0.8 + rng.random() * 0.7))
    moon = pen.on("moon").move(20 + 86 * (rng.random() < 0.5), 24 + rng.random() * 6)
    moon.ellipse(0, 0, 13, 13, (252, 232, 150))
    moon.on("background").ellipse(6, -4, 11, 11, NIGHT, shadow=False)
    pen.ellipse(24, 132, 72, 32, (54, 64, 116))
    pen.ellipse(112, 138, 70, 34, (70, 80, 134))


def _star(pen: Pen) -> None:
    pen.polygon([(0, -4), (1.2, -1.2), (4, 0), (1.2, 1.2), (0, 4), (-1.2, 1.2), (-4, 0), (-1.2, -1.2)], (252, 240, 190))


PAINTERS: dict[str, Callable[[Pen, Scene, Random], None]] = {
    "sky": _sky,
    "sea": _sea,
    "mars": _mars,
    "forest": _forest,
    "night": _night,
}
