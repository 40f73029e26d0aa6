"""Drawn pictures of kirie's world with their captions, and the pixels that show what a word of the caption names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from sukashi.kirie.canvas import PARTS
from sukashi.kirie.captions import tell
from sukashi.kirie.chance import draw_scene
from sukashi.kirie.scene import FOODS, SHAPES, SUBJECTS, Scene
from sukashi.kirie.world import draw

FIGURE = ("body", "head", "hair", "face")  # without what is worn and eaten
SHOWN_BY: dict[str, tuple[str, ...]] = {  # word -> the parts that show it
    "glasses": ("glasses",),
    **dict.fromkeys(("hat", "cap", "crown"), ("hat",)),
    "scarf": ("scarf",),
    **dict.fromkeys(FOODS, ("food",)),
    **dict.fromkeys(SUBJECTS, FIGURE),
    **dict.fromkeys(("sunrise", "sunset"), ("sun",)),
    "ship": ("ship",),
    "moon": ("moon",),
    **dict.fromkeys(("forest", "woods", "trees"), ("tree",)),
    "clouds": ("cloud",),
    **dict.fromkeys(SHAPES, ("shape",)),
}
ROWS = {"sunset": "sunrise", "woods": "forest", "trees": "forest"}  # words that a table puts in one row


class Drawn(NamedTuple):
    """A drawn picture, a caption that says what is in it, and masks (H, W) of words of the caption."""

    picture: Image.Image
    caption: str
    masks: dict[str, Tensor]


def drawn(name: str = "attention") -> Iterator[Drawn]:
    """Pictures without end, always the same for a ``name``: of one figure or shape at most, and no bad ones.

    A caption may leave things out; a mask is there for each word of ``SHOWN_BY`` that the caption has.
    """
    for number in count():
        scene = draw_scene(Random(f"{name} {number}"))
        if scene.flaw or len(scene.figures) + len(scene.shapes) > 1:
            continue
        caption = tell(scene, Random(f"{name} caption {number}")).text
        canvas = draw(scene, labels=True)
        parts = torch.tensor(canvas.parts())
        masks = {word: mask_of(parts, word) for word in said(caption, scene)}
        yield Drawn(canvas.picture(), caption, {word: mask for word, mask in masks.items() if mask.any()})


def row_of(word: str) -> str:
    """The row of a table that a word of ``SHOWN_BY`` stands in."""
    return ROWS.get(word, word)


def said(caption: str, scene: Scene) -> list[str]:
    """The words of ``SHOWN_BY`` that a caption has; those of shapes only where shapes are to be seen."""
    words = f" {caption.replace(',', ' ')} "
    found = [word for word in SHOWN_BY if f" {word} " in words]
    return [word for word in found if scene.shapes or word not in SHAPES]


def mask_of(parts: Tensor, word: str) -> Tensor:
    """Where the parts that show a word are, (H, W) bool."""
    numbers = torch.tensor([PARTS.index(part) for part in SHOWN_BY[word]])
    return torch.isin(parts, numbers)
