"""kirie's world: a seed in, a picture with its caption and its ground truth out.

>>> from sukashi.kirie.world import sample
>>> sample(3).caption  # doctest: +SKIP
'a bear wearing glasses'
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageFilter

from sukashi.kirie.canvas import Canvas, Pen
from sukashi.kirie.captions import caption
from sukashi.kirie.figures import draw_figure
from sukashi.kirie.places import draw_place, paper
from sukashi.kirie.scene import Scene, draw_scene

Labels = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


@dataclass(frozen=True)
class Sample:
    """A picture (128 x 128, RGB), a caption of it, what is in it, and (128, 128) part labels when asked for."""

    picture: Image.Image
    caption: str
    scene: Scene
    parts: Labels | None = None


def sample(seed: int, *, held_out: bool = False, parts: bool = False) -> Sample:
    """The picture of ``seed``; the same one everywhere, always.

    ``held_out`` gives a picture with a pair of attributes that training never shows (``scene.HELD_OUT``), ``parts``
    also labels every pixel with the part it shows (``canvas.PARTS``).
    """
    scene = draw_scene(Random(f"scene {seed}"), held_out=held_out)
    canvas = draw(scene, labels=parts)
    return Sample(
        picture=spoil(canvas.picture(), scene.flaw),
        caption=caption(scene, Random(f"caption {seed}")),
        scene=scene,
        parts=canvas.parts() if parts else None,
    )


def draw(scene: Scene, *, labels: bool = False) -> Canvas:
    """Cut and lay the papers of one scene."""
    canvas = Canvas(paper(scene), labels=labels)
    pen = Pen(canvas)
    draw_place(pen, scene)
    draw_figure(pen, scene)
    return canvas


def spoil(picture: Image.Image, flaw: str | None) -> Image.Image:
    """Make a picture bad on purpose: ``blurry`` or ``faded`` (None leaves it alone)."""
    if flaw == "blurry":
        return picture.filter(ImageFilter.GaussianBlur(2.2))
    if flaw == "faded":
        return Image.blend(picture, Image.new("RGB", picture.size, (204, 202, 200)), 0.6)
    return picture
