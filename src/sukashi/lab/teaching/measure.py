"""How well a model draws the concept, obeys the rest of a prompt, and still draws everybody else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from sukashi.kirie.world import draw as draw_world
from sukashi.lab.evaluate import to_image, write_json
from sukashi.lab.probe import Probe
from sukashi.lab.read import Reading, read
from sukashi.lab.score import judge
from sukashi.lab.teaching.king import CLAIMS
from sukashi.lab.teaching.probe import UNKNOWN, ConceptProbe
from sukashi.lab.teaching.questions import Asked
from sukashi.lab.teaching.world import draw
from sukashi.nets.vae import VAE
from sukashi.pictures import to_pictures
from sukashi.pipeline import Pipeline

BATCH = 8
Draw = Callable[[Sequence[Asked], int], list[Image.Image]]
"""(some questions, the number of the first) -> a picture for each."""


def by_model(pipe: Pipeline, called: Sequence[str], **options: Any) -> Draw:
    """Pictures by a model; ``{}`` in a prompt becomes one of ``called``, in turn. A question's seed is its number."""

    def pictures(some: Sequence[Asked], first: int) -> list[Image.Image]:
        prompts = [q.prompt.format(called[(first + k) % len(called)]) for k, q in enumerate(some)]
        return list(pipe(prompts, seed=first, **options).images)

    return pictures


def by_hand(concept: str | None) -> Draw:
    """The drawings themselves, of the concept or (None) of the world."""

    def pictures(some: Sequence[Asked], first: int) -> list[Image.Image]:
        return [draw(concept, q.scene) if concept else draw_world(q.scene).picture() for q in some]

    return pictures


def through(vae: VAE, drawn: Draw) -> Draw:
    """What the autoencoder leaves of pictures: no U-Net can do better."""

    def pictures(some: Sequence[Asked], first: int) -> list[Image.Image]:
        with torch.no_grad():
            shown = vae.decode(vae.encode(to_image(drawn(some, first))))
        return to_pictures(shown.float().clamp(-1, 1) / 2 + 0.5)

    return pictures


def answers(
    drawn: Draw, asked: Sequence[Asked], probe: Probe, eye: ConceptProbe, concept: str, keep: list[Image.Image]
) -> dict[str, Any]:
    """Whether the concept is seen in each picture, and which claims hold; the pictures are appended to ``keep``."""
    seen: list[bool] = []
    verdicts: list[list[tuple[str, str, bool]]] = []
    for first in range(0, len(asked), BATCH):
        some = asked[first : first + BATCH]
        pictures = drawn(some, first)
        image: Tensor = to_image(pictures)
        readings = read(probe, image)
        seen += shows(concept, image, readings, eye)
        for question, reading in zip(some, readings, strict=True):
            verdicts.append([(c.what, c.value, bool(right)) for c, right in judge(question.claims, reading)])
        keep += pictures
    return {"seen": seen, "verdicts": verdicts}


@torch.inference_mode()
def shows(concept: str, image: Tensor, readings: Sequence[Reading], eye: ConceptProbe) -> list[bool]:
    """Whether each picture shows the concept: the king by the laboratory's probe, what that never saw by its own."""
    if concept in UNKNOWN:
        return [bool(score > 0) for score in eye(image)[:, UNKNOWN.index(concept)]]
    return [all(right for _, right in judge(CLAIMS, reading)) for reading in readings]


def kept(path: Path, facts: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``path`` holds if it was measured with the same ``facts``, else a new measurement, written there."""
    known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if known.get("facts") == facts:
        return known
    begun = time.perf_counter()
    found = {**measure(), "facts": facts, "seconds": round(time.perf_counter() - begun, 1)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, found)
    known = json.loads(path.read_text(encoding="utf-8"))
    return known
