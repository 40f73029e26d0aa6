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

from sukashi.kirie.canvas import SIZE, Canvas, Labels, Pen
from sukashi.kirie.captions import tell
from sukashi.kirie.chance import draw_scene
from sukashi.kirie.claims import Claim
from sukashi.kirie.figures import draw_figure
from sukashi.kirie.places import draw_place, paper
from sukashi.kirie.scene import Scene
from sukashi.kirie.shapes import draw_shape

GRAIN = 65  # of 255, the strongest speck of a noisy picture


@dataclass(frozen=True)
class Sample:
    """A picture (128 x 128, RGB), a caption of it, what is in it, and (128, 128) labels when asked for.

    ``parts`` says what each pixel shows (index into ``canvas.PARTS``), ``owners`` whose it is: 0 nobody's, 1 the first
    figure's or shape's, 2 the second's.
    """

    picture: Image.Image
    caption: str
    scene: Scene
    claims: tuple[Claim, ...] = ()  # what the caption says, to be checked
    parts: Labels | None = None
    owners: Labels | None = None


def sample(seed: int, *, held_out: bool = False, parts: bool = False) -> Sample:
    """The picture of ``seed``; the same one everywhere, always.

    ``held_out`` gives a picture with a pair of attributes that training never shows (``scene.HELD_OUT``), ``parts``
    also labels every pixel.
    """
    scene = draw_scene(Random(f"scene {seed}"), held_out=held_out)
    said = tell(scene, Random(f"caption {seed}"))
    canvas = draw(scene, labels=parts)
    return Sample(
        picture=spoil(canvas.picture(), scene.flaw, scene.layout),
        caption=said.text,
        scene=scene,
        claims=said.claims,
        parts=canvas.parts() if parts else None,
        owners=canvas.owners() if parts else None,
    )


def draw(scene: Scene, *, labels: bool = False) -> Canvas:
    """Cut and lay the papers of one scene."""
    canvas = Canvas(paper(scene), labels=labels)
    pen = Pen(canvas)
    draw_place(pen, scene)
    for owner, shape in enumerate(scene.shapes, 1):
        draw_shape(pen.of(owner), shape)
    for owner, figure in enumerate(scene.figures, 1):
        draw_figure(pen.of(owner), figure)
    return canvas


def spoil(picture: Image.Image, flaw: str | None, seed: int = 0) -> Image.Image:
    """Make a picture bad on purpose: ``blurry``, ``faded`` or ``noisy`` by ``seed`` (None leaves it alone)."""
    if flaw == "blurry":
        return picture.filter(ImageFilter.GaussianBlur(2.2))
    if flaw == "faded":
        return Image.blend(picture, Image.new("RGB", picture.size, (204, 202, 200)), 0.6)
    if flaw == "noisy":
        return _grain(picture, Random(f"grain {seed}"))
    return picture


def _grain(picture: Image.Image, rng: Random) -> Image.Image:
    """Soft specks about four pixels wide, which the autoencoder's latents can hold."""
    specks = Image.new("F", (SIZE // 4, SIZE // 4))
    specks.putdata([(rng.random() + rng.random() - 1) * GRAIN for _ in range(SIZE * SIZE // 16)])
    grain = np.asarray(specks.resize((SIZE, SIZE), Image.Resampling.BICUBIC))[:, :, None]
    return Image.fromarray((np.asarray(picture) + grain).clip(0, 255).round().astype(np.uint8))
