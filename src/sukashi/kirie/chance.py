"""Scenes by chance.

Everything is decided from a ``random.Random`` through ``pick`` and ``random()`` alone, whose values Python keeps from
version to version, so that a seed means the same picture everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

from sukashi.kirie import palette
from sukashi.kirie.figures import HAT_HEIGHT
from sukashi.kirie.scene import (
    FLAWS,
    FOODS,
    HATS,
    PEOPLE,
    PLACES,
    SHAPES,
    SIZES,
    SUBJECTS,
    Figure,
    Scene,
    Shape,
    coats,
    pick,
)

OFTEN = (*SUBJECTS, "girl", "astronaut")  # these two a little more often: the prompts of most tutorials
TALL = {"party hat": 38, "top hat": 27}  # how far a hat reaches above the place where it sits
RADIUS = {
    1: {"": 29.0, "big": 42.0, "small": 16.0},
    2: {"": 20.0, "big": 27.0, "small": 12.0},
    3: {"": 13.5, "big": 18.0, "small": 8.5},
}
ROWS = {
    "one": ((64, 64),),
    "beside": ((34, 64), (94, 64)),
    "stacked": ((64, 34), (64, 94)),
    "three": ((24, 64), (64, 64), (104, 64)),
    "pyramid": ((64, 34), (34, 92), (94, 92)),
}


def draw_scene(rng: Random, *, held_out: bool = False) -> Scene:
    """A scene by chance; with ``held_out`` only those that training never shows, otherwise only the others."""
    while True:
        scene = any_scene(rng)
        if scene.held_out() == held_out:
            return scene


def any_scene(rng: Random) -> Scene:
    """A scene by chance: mostly one figure, sometimes two, or shapes, or a place with nobody in it.

    Of those that hold no pair of ``HELD_OUT``, about 65 % show one figure, 12 % two, 9 % shapes, 14 % only a place.
    """
    kind = rng.random()
    flaw = pick(rng, FLAWS) if rng.random() < 0.13 else None
    scene = Scene(flaw=flaw, paper=pick(rng, tuple(palette.BACKGROUND)), layout=int(rng.random() * 1_000_000))
    if kind < 0.65:
        scene = _place(rng, scene, 0.5)
        return replace(scene, figures=(_single(rng, scene.place),))
    if kind < 0.79:
        return replace(_place(rng, scene, 0.4), figures=(_half(rng, -1), _half(rng, 1)))
    if kind < 0.88:
        return replace(scene, shapes=_shapes(rng))
    return _place(rng, scene, 1.0)


def _place(rng: Random, scene: Scene, share: float) -> Scene:
    place = pick(rng, PLACES) if rng.random() < share else None
    if share == 1.0 and rng.random() < 0.4:
        place = "sea"
    if place != "sea":
        return replace(scene, place=place)
    return replace(scene, place=place, sunrise=rng.random() < 0.5, ship=rng.random() < 0.6)


def _figure(rng: Random) -> Figure:
    """A standing or waving figure in the middle."""
    subject = pick(rng, OFTEN)
    hat = pick(rng, HATS) if rng.random() < 0.4 else None
    return Figure(
        subject=subject,
        coat=pick(rng, tuple(coats(subject))),
        clothes=pick(rng, tuple(palette.CLOTHES)) if subject in PEOPLE else None,
        skin=int(rng.random() * len(palette.SKIN)),
        glasses=rng.random() < 0.4,
        hat=hat,
        hat_colour=pick(rng, tuple(palette.HAT)) if hat not in (None, "crown") else "",
        scarf=pick(rng, tuple(palette.SCARF)) if rng.random() < 0.25 else None,
        food=pick(rng, FOODS) if rng.random() < 0.5 else None,
        pose="waving" if rng.random() < 0.15 else "standing",
    )


def _single(rng: Random, place: str | None) -> Figure:
    figure = _figure(rng)
    x, y, scale = rng.random() * 16 - 8, rng.random() * 8 - 4, 0.94 + rng.random() * 0.12
    flies = rng.random() < (0.5 if figure.subject == "astronaut" else 0.08)
    aside = rng.random()
    if flies and place in ("sky", "mars", "night", None):
        y = max(y, 0.84 * scale * _height(figure) - 55)
        return replace(figure, food=None, pose="flying", x=x, y=y, scale=scale)
    if aside < 0.3:
        side = -1 if aside < 0.15 else 1
        reaches = figure.food if side == 1 else figure.pose == "waving"  # a hand that must not leave the picture
        x, scale = side * (16.5 if reaches else 20 + 0.25 * x), min(scale, 0.97)
    return replace(figure, x=x, y=max(y, scale * _height(figure) - 61), scale=scale)


def _height(figure: Figure) -> float:
    """From the middle of the face to the top of the hat."""
    return TALL.get(figure.hat or "", 0) - HAT_HEIGHT[figure.subject]


def _half(rng: Random, side: int) -> Figure:
    """One of two, on the left (-1) or on the right (1)."""
    x, y = side * 30 + rng.random() * 4 - 2, 13 + rng.random() * 6
    return replace(_figure(rng), x=x, y=y, scale=0.61 + rng.random() * 0.05)


def _shapes(rng: Random) -> tuple[Shape, ...]:
    row = ROWS[pick(rng, ("one", "one", "beside", "beside", "stacked", "stacked", "three", "pyramid"))]
    shapes = []
    for x, y in row:
        size = pick(rng, SIZES)
        shift, drop = rng.random() * 4 - 2, rng.random() * 4 - 2
        kind, colour = pick(rng, SHAPES), pick(rng, tuple(palette.SHAPE))
        shapes.append(
            Shape(kind=kind, colour=colour, size=size, x=x + shift, y=y + drop, radius=RADIUS[len(row)][size])
        )
    return tuple(shapes)
