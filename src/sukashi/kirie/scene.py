"""What is in a picture of kirie's world: the ground truth that a caption mentions or leaves out.

``sukashi.kirie.chance`` makes scenes by chance.
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
POSES = ("standing", "flying", "waving")
PLACES = ("sky", "sea", "mars", "forest", "night")
SHAPES = ("circle", "square", "triangle", "star", "heart")
SIZES = ("", "big", "small")
FLAWS = ("blurry", "faded", "noisy")
SIDE = 12.0  # a figure that is further from the middle stands on the left or on the right

HELD_OUT: tuple[tuple[str, str], ...] = (
    ("cat", "donut"),
    ("dog", "apple"),
    ("bear", "crown"),
    ("robot", "ice cream"),
    ("boy", "party hat"),
    ("dog", "night"),
    ("bear", "mars"),
    ("girl", "sky"),
    ("robot", "scarf"),
    ("boy", "green scarf"),
    ("cat", "waving"),
    ("blue", "star"),
    ("red", "heart"),
)  # pairs that never meet in one figure, its place, or one shape of a training picture: composition can be measured


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One character; positions are pixels of the 128 x 128 picture, right and down from where it usually stands."""

    subject: str  # one of SUBJECTS
    coat: str = ""  # colour of hair, fur, metal or suit, whichever the subject has
    clothes: str | None = None  # colour of a girl's dress or a boy's shirt
    skin: int = 0
    glasses: bool = False
    hat: str | None = None
    hat_colour: str = ""  # "" for the crown, which is always golden
    scarf: str | None = None  # its colour
    food: str | None = None
    pose: str = "standing"  # one of POSES
    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0

    @property
    def side(self) -> str:
        """``left``, ``right`` or ``middle`` of the picture."""
        return "left" if self.x < -SIDE else "right" if self.x > SIDE else "middle"

    def words(self) -> set[str]:
        """What :data:`HELD_OUT` calls the things that this figure is, wears, eats and does."""
        worn = {"scarf", f"{self.scarf} scarf"} if self.scarf else set()
        return {self.subject, self.pose, self.hat or "", self.food or ""} | worn


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A simple shape around (x, y), in pixels."""

    kind: str  # one of SHAPES
    colour: str
    size: str = ""  # one of SIZES; "" is neither big nor small
    x: float = 64.0
    y: float = 64.0
    radius: float = 26.0


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One picture in words and numbers: up to two figures, or up to three shapes, or only a place."""

    figures: tuple[Figure, ...] = ()  # from left to right
    shapes: tuple[Shape, ...] = ()
    place: str | None = None  # one of PLACES, or None for plain paper
    paper: str = "white"  # colour of plain paper
    sunrise: bool = False  # only at sea
    ship: bool = False  # only at sea
    flaw: str | None = None  # one of FLAWS when the picture is bad on purpose
    layout: int = 0  # seed of clouds, trees, stars, grain

    def held_out(self) -> bool:
        """Whether a pair of :data:`HELD_OUT` meets in one figure, in a figure and its place, or in one shape."""
        groups = [figure.words() | {self.place or ""} for figure in self.figures]
        groups += [{shape.kind, shape.colour} for shape in self.shapes]
        return any(a in group and b in group for group in groups for a, b in HELD_OUT)


def coats(subject: str) -> dict[str, palette.Colour]:
    """The colours that this subject's hair, fur, metal or suit comes in."""
    if subject in PEOPLE:
        return palette.HAIR
    if subject in ANIMALS:
        return palette.FUR
    return palette.METAL if subject == "robot" else palette.SUIT


def pick(rng: Random, choices: Sequence[T]) -> T:
    """One of ``choices``, all equally likely, from ``random()`` alone, whose values Python keeps."""
    return choices[int(rng.random() * len(choices))]
