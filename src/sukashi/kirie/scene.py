"""What is in a picture of kirie's world: the ground truth that a caption mentions or leaves out.

Everything is decided from a ``random.Random`` through :func:`pick` and ``random()`` alone, whose values Python keeps
from version to version, so that a seed means the same picture everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from sukashi.kirie import palette

T = TypeVar("T")

PEOPLE = ("girl", "boy")
ANIMALS = ("cat", "dog", "bear")
SUBJECTS = (*PEOPLE, *ANIMALS, "robot", "astronaut")
HATS = ("top hat", "cap", "party hat", "crown")
FOODS = ("pizza", "apple", "ice cream", "donut")
PLACES = ("sky", "sea", "mars", "forest", "night")
FLAWS = ("blurry", "faded")

HELD_OUT: tuple[tuple[str, str], ...] = (
    ("cat", "donut"),
    ("dog", "apple"),
    ("bear", "crown"),
    ("robot", "ice cream"),
    ("boy", "party hat"),
    ("dog", "night"),
    ("bear", "mars"),
    ("girl", "sky"),
)  # pairs that never meet in a training picture, so that composition can be measured


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One picture in words and numbers; positions are pixels of the 128 x 128 picture, right and down."""

    subject: str | None = None  # one of SUBJECTS, or nobody
    coat: str = ""  # colour of hair, fur, metal or suit, whichever the subject has
    clothes: str | None = None  # colour of a girl's dress or a boy's shirt
    skin: int = 0
    glasses: bool = False
    hat: str | None = None
    hat_colour: str = ""  # "" for the crown, which is always golden
    food: str | None = None
    flying: bool = False
    place: str | None = None  # one of PLACES, or None for plain paper
    paper: str = "white"  # colour of plain paper
    sunrise: bool = False  # only at sea
    ship: bool = False  # only at sea
    flaw: str | None = None  # one of FLAWS when the picture is bad on purpose
    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    layout: int = 0  # seed of clouds, trees, stars

    def held_out(self) -> bool:
        """Whether a pair of :data:`HELD_OUT` meets in this picture."""
        found = {self.subject, self.hat, self.food, self.place}
        return any(a in found and b in found for a, b in HELD_OUT)


def coats(subject: str) -> dict[str, palette.Colour]:
    """The colours that this subject's hair, fur, metal or suit comes in."""
    if subject in PEOPLE:
        return palette.HAIR
    if subject in ANIMALS:
        return palette.FUR
    return palette.METAL if subject == "robot" else palette.SUIT


def pick(rng: Random, choices: Sequence[T]) -> T:
    """One of ``choices``, all equally likely."""
    return choices[int(rng.random() * len(choices))]


def draw_scene(rng: Random, *, held_out: bool = False) -> Scene:
    """A scene by chance; with ``held_out`` only those that training never shows, otherwise only the others."""
    while True:
        scene = _any_scene(rng)
        if scene.held_out() == held_out:
            return scene


def _any_scene(rng: Random) -> Scene:
    alone = rng.random() < 0.12
    flaw = pick(rng, FLAWS) if rng.random() < 0.12 else None
    place = pick(rng, PLACES) if alone or rng.random() < 0.5 else None
    if alone and rng.random() < 0.5:
        place = "sea"
    sea = place == "sea"
    sunrise, ship = sea and rng.random() < 0.5, sea and rng.random() < 0.6
    paper, layout = pick(rng, tuple(palette.BACKGROUND)), int(rng.random() * 1_000_000)
    if alone:
        return Scene(place=place, paper=paper, sunrise=sunrise, ship=ship, flaw=flaw, layout=layout)
    subject = pick(rng, (*SUBJECTS, "girl", "astronaut"))  # a little more often: the prompts of most tutorials
    flying = rng.random() < (0.5 if subject == "astronaut" else 0.08) and place in ("sky", "mars", "night", None)
    hat = pick(rng, HATS) if rng.random() < 0.4 else None
    return Scene(
        subject=subject,
        coat=pick(rng, tuple(coats(subject))),
        clothes=pick(rng, tuple(palette.CLOTHES)) if subject in PEOPLE else None,
        skin=int(rng.random() * len(palette.SKIN)),
        glasses=rng.random() < 0.4,
        hat=hat,
        hat_colour=pick(rng, tuple(palette.HAT)) if hat not in (None, "crown") else "",
        food=pick(rng, FOODS) if rng.random() < 0.55 and not flying else None,
        flying=flying,
        place=place,
        paper=paper,
        sunrise=sunrise,
        ship=ship,
        flaw=flaw,
        x=rng.random() * 16 - 8,
        y=rng.random() * 8 - 4,
        scale=0.94 + rng.random() * 0.12,
        layout=layout,
    )
