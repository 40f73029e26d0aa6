"""What tasks do to pictures, measured with the probe on kirie: ``sukashi kirie tasks``.

- inpainting: on drawn girls without a hat the head is repainted as "a girl wearing a red hat ...": how often is there a
  hat, a red one, and are the food, the place and the background still as they were?
- image-to-image: the same pictures drawn anew with their own captions at several strengths: how much is kept?
- two passes: a second pass at the larger size against the first picture enlarged: which has more detail?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sukashi import tasks
from sukashi.kirie.canvas import PARTS
from sukashi.kirie.claims import a
from sukashi.kirie.palette import CLOTHES, HAIR
from sukashi.kirie.scene import FOODS, Figure, Scene, pick
from sukashi.kirie.world import draw
from sukashi.lab.probe import Probe
from sukashi.lab.read import Reading, read
from sukashi.pictures import to_tensor
from sukashi.pipeline import Pipeline

AT = {None: "", "night": " at night", "forest": " in the forest", "mars": " on mars"}
STRENGTHS = (0.3, 0.6, 0.9)
ASKED = ("subject", "coat", "clothes", "glasses", "hat", "food")  # of the figure, beside the place
ABOVE, AROUND = 28, 4  # pixels of the mask above the head, where a hat goes, and around it
SCALE, AGAIN = 1.5, 0.3  # of the second pass


class Source(NamedTuple):
    """A drawn girl with food and without a hat, her caption, and the mask of her head (white)."""

    picture: Image.Image
    food: str
    place: str | None
    mask: Image.Image

    @property
    def caption(self) -> str:
        """What the picture shows."""
        return "a girl" + self.rest

    @property
    def rest(self) -> str:
        """The caption behind "a girl"."""
        return f" eating {self.food if self.food == 'pizza' else a(self.food)}{AT[self.place]}"


def source(seed: int) -> Source:
    """The girl of this seed; the same one always."""
    rng = Random(f"girl {seed}")
    food, place = pick(rng, FOODS), pick(rng, list(AT))
    coat, clothes = pick(rng, list(HAIR)), pick(rng, list(CLOTHES))
    girl = Figure(subject="girl", coat=coat, clothes=clothes, food=food, x=rng.uniform(-4, 4))
    canvas = draw(Scene(figures=(girl,), place=place, layout=seed), labels=True)
    parts = canvas.parts()
    head = np.isin(parts, [PARTS.index(name) for name in ("head", "hair", "face")])
    rows, columns = np.nonzero(head)[0], np.nonzero(head)[1]
    half = (rows.min() + rows.max()) // 2  # the mouth eats, and is left alone
    left, right = max(columns.min() - AROUND, 0), min(columns.max() + AROUND, parts.shape[1] - 1)
    mask = np.zeros_like(parts)
    mask[max(rows.min() - ABOVE, 0) : half, left : right + 1] = 255
    mask[parts == PARTS.index("food")] = 0
    return Source(canvas.picture(), food, place, Image.fromarray(mask))


def measure(pipe: Pipeline, probe: Probe, count: int = 24, steps: int = 20) -> dict[str, Any]:
    """All three questions of ``count`` pictures: rates in 0..1, changes in levels of 255; see ``table``."""
    sources = [source(seed) for seed in range(count)]
    before = readings(probe, [one.picture for one in sources])
    kept = {f"{s:g}": keeping(pipe, probe, sources, before, s, steps) for s in STRENGTHS}
    hats = repainting(pipe, probe, sources, before, steps)
    return {"pictures": count, "steps": steps, "inpaint": hats, "image-to-image": kept, "two-pass": sharpness(pipe)}


def repainting(
    pipe: Pipeline, probe: Probe, sources: Sequence[Source], before: Sequence[Reading], steps: int
) -> dict[str, float]:
    """Hats before and after, what else the probe sees unchanged, and the largest change outside the mask."""

    def repaint(words: str) -> list[Image.Image]:
        asked: dict[str, Any] = {"fill": "fill", "steps": steps}
        return [
            tasks.inpaint(pipe, f"a girl{words}{one.rest}", image=one.picture, mask=one.mask, seed=k, **asked).images[0]
            for k, one in enumerate(sources)
        ]

    drawn = repaint(" wearing a red hat")
    after, unasked = readings(probe, drawn), readings(probe, repaint(""))
    outside = [
        np.abs(np.asarray(new, dtype=int) - np.asarray(one.picture, dtype=int))[np.asarray(one.mask) == 0].max()
        for new, one in zip(drawn, sources, strict=True)
    ]
    return {
        "hat before": share(one.figure["hat"] != "none" for one in before),
        "hat, repainted without asking for one": share(one.figure["hat"] != "none" for one in unasked),
        "hat": share(one.figure["hat"] != "none" for one in after),
        "red hat": share(one.figure["hat"] != "none" and one.figure["hat colour"] == "red" for one in after),
        "food as before": share(x.figure["food"] == y.figure["food"] for x, y in zip(after, before, strict=True)),
        "place as before": share(x.picture["place"] == y.picture["place"] for x, y in zip(after, before, strict=True)),
        "largest change outside the mask": float(max(outside)),
    }


def keeping(
    pipe: Pipeline, probe: Probe, sources: Sequence[Source], before: Sequence[Reading], strength: float, steps: int
) -> dict[str, float]:
    """How much of the sources is left when they are drawn anew at a strength."""
    drawn = [
        tasks.image_to_image(pipe, one.caption, image=one.picture, strength=strength, seed=k, steps=steps).images[0]
        for k, one in enumerate(sources)
    ]
    after = readings(probe, drawn)
    pairs = [(x.figure[name], y.figure[name]) for x, y in zip(after, before, strict=True) for name in ASKED]
    pairs += [(x.picture["place"], y.picture["place"]) for x, y in zip(after, before, strict=True)]
    changes = [
        np.abs(np.asarray(new, dtype=float) - np.asarray(one.picture, dtype=float)).mean()
        for new, one in zip(drawn, sources, strict=True)
    ]
    return {"answers as before": share(x == y for x, y in pairs), "change": sum(map(float, changes)) / len(changes)}


def sharpness(pipe: Pipeline, count: int = 4) -> dict[str, float]:
    """Detail of a picture enlarged and of the same one after a second pass at that size; see ``detail``."""
    once, twice = [], []
    for seed in range(count):
        drawn = tasks.two_pass(pipe, "a girl eating pizza", scale=SCALE, strength=AGAIN, seed=seed).images[0]
        first = pipe("a girl eating pizza", seed=seed).images[0].resize(drawn.size, Image.Resampling.LANCZOS)
        once.append(detail(to_tensor(first)))
        twice.append(detail(to_tensor(drawn)))
    return {"enlarged": sum(once) / count, "second pass": sum(twice) / count}


def detail(image: Tensor) -> float:
    """Mean absolute Laplacian of an image (1, 3, H, W) in levels of 255: how pixels differ from their neighbours."""
    middle = image[..., 1:-1, 1:-1]
    around = image[..., :-2, 1:-1] + image[..., 2:, 1:-1] + image[..., 1:-1, :-2] + image[..., 1:-1, 2:]
    return float((around - 4 * middle).abs().mean() * 255)


def readings(probe: Probe, pictures: Sequence[Image.Image]) -> list[Reading]:
    """What the probe sees in pictures of one size."""
    return read(probe, torch.cat([to_tensor(one) for one in pictures]) * 2 - 1)


def share(found: Any) -> float:
    """How many of them are true, in 0..1."""
    values = list(found)
    return sum(values) / len(values)


def table(found: dict[str, Any]) -> str:
    """What was measured, in Markdown, with the standard error of every rate."""
    n = found["pictures"]

    def rate(r: float, count: int = n) -> str:
        return f"{r:.2f} ± {math.sqrt(r * (1 - r) / count):.2f}"

    hats, sharp = found["inpaint"], found["two-pass"]
    lines = [f'| repainting the head as "wearing a red hat", {n} drawn girls | |', "| --- | --- |"]
    lines += [
        f"| {name} | {rate(value)} |" for name, value in hats.items() if name != "largest change outside the mask"
    ]
    lines += [f"| largest change outside the mask, of 255 | {hats['largest change outside the mask']:.0f} |", ""]
    lines += ["| strength | answers of the probe as before | mean change, of 255 |", "| --- | --- | --- |"]
    for strength, kept in found["image-to-image"].items():
        lines.append(f"| {strength} | {rate(kept['answers as before'], n * (len(ASKED) + 1))} | {kept['change']:.1f} |")
    lines += ["", f"| {SCALE} times as large | mean absolute Laplacian, of 255 |", "| --- | --- |"]
    lines += [f"| {name} | {value:.2f} |" for name, value in sharp.items()]
    return "\n".join(lines)
