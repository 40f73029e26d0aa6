"""What the probe answers: one question per head, its possible answers, and the true ones of a scene.

Questions about the picture are asked of the whole picture. Questions about a figure are asked of a view that shows one
figure: the whole picture, or, where there are two, a window around one of them (``sukashi.lab.views``).
"""

from __future__ import annotations

from sukashi.kirie import palette
from sukashi.kirie.scene import FLAWS, FOODS, HATS, PLACES, POSES, SUBJECTS, Figure, Scene

COATS = tuple(dict.fromkeys([*palette.HAIR, *palette.FUR, *palette.METAL, *palette.SUIT]))
UNKNOWN = -100  # no answer: the loss and the scores leave it out
VISIBLE = 24  # pixels of a ship that must show

PICTURE: dict[str, tuple[str, ...]] = {
    "kind": ("one figure", "two figures", "shapes", "scenery"),
    "place": ("none", *PLACES),
    "paper": tuple(palette.BACKGROUND),
    "sunrise": ("no", "yes"),
    "ship": ("no", "yes"),
    "flaw": ("none", *FLAWS),
    "side": ("left", "middle", "right"),  # of a single figure
}
FIGURE: dict[str, tuple[str, ...]] = {
    "subject": SUBJECTS,
    "coat": COATS,
    "clothes": tuple(palette.CLOTHES),
    "glasses": ("no", "yes"),
    "hat": ("none", *HATS),
    "hat colour": tuple(palette.HAT),
    "scarf": ("none", *palette.SCARF),
    "food": ("none", *FOODS),
    "pose": POSES,
}
HEADS = {**PICTURE, **FIGURE}


def kind(scene: Scene) -> str:
    """Which of the four kinds of picture this is."""
    if scene.shapes:
        return "shapes"
    return ("scenery", "one figure", "two figures")[len(scene.figures)]


def about_picture(scene: Scene, ship_pixels: int) -> dict[str, str | None]:
    """The true answers about the whole picture; None where the question has none.

    A ship that shows fewer than :data:`VISIBLE` pixels, because somebody stands in front of it, can not be told.
    """
    sea = scene.place == "sea"
    hidden = scene.ship and ship_pixels < VISIBLE
    return {
        "kind": kind(scene),
        "place": scene.place or "none",
        "paper": None if scene.place else scene.paper,
        "sunrise": ("yes" if scene.sunrise else "no") if sea else None,
        "ship": None if hidden else "yes" if scene.ship else "no",
        "flaw": scene.flaw or "none",
        "side": scene.figures[0].side if len(scene.figures) == 1 else None,
    }


def about_figure(figure: Figure) -> dict[str, str | None]:
    """The true answers about one figure; None where the question has none (the dress of a cat)."""
    return {
        "subject": figure.subject,
        "coat": figure.coat,
        "clothes": figure.clothes,
        "glasses": "yes" if figure.glasses else "no",
        "hat": figure.hat or "none",
        "hat colour": figure.hat_colour or None,
        "scarf": figure.scarf or "none",
        "food": figure.food or "none",
        "pose": figure.pose,
    }


def numbers(answers: dict[str, str | None]) -> list[int]:
    """One class number per head of :data:`HEADS`, :data:`UNKNOWN` for what ``answers`` leaves open."""
    found = [(choices, answers.get(name)) for name, choices in HEADS.items()]
    return [UNKNOWN if answer is None else choices.index(answer) for choices, answer in found]
