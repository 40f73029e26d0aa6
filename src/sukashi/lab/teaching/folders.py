"""The lessons as folders, as anybody would have them: pictures with a caption beside each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from sukashi.kirie.captions import caption
from sukashi.kirie.chance import draw_scene
from sukashi.lab.teaching.world import lessons
from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Examples
from sukashi.train.data.folders import read_examples

BATCH = 8
Drawing = tuple[tuple[str, Any], ...]
"""Options of the pictures, as ("steps", 20)."""


def examples(
    out: Path, concept: str, called: str, pipe: Pipeline, pictures: int, kept: int, drawing: Drawing = ()
) -> Examples:
    """``pictures`` lessons about a concept, written to a folder of ``out`` and read back as any folder is.

    With ``kept`` there are so many pictures of the world beside them, drawn by the model itself for captions by chance:
    DreamBooth's prior preservation, for all that the model knows instead of for one class.
    """
    shown = lessons(concept, pictures)
    taught = out / f"{concept}-{called.strip('<>').replace(' ', '-')}"
    write(taught, [s.picture for s in shown], [s.caption.format(called) for s in shown])
    if not kept:
        return read_examples(taught)
    return read_examples(taught, class_folder=own_pictures(out / "kept", pipe, kept, drawing))


def own_pictures(folder: Path, pipe: Pipeline, count: int, drawing: Drawing = ()) -> Path:
    """``count`` pictures by the model with their captions; what is there already is kept."""
    captions = [caption(draw_scene(Random(f"kept {k}")), Random(f"kept caption {k}")) for k in range(count)]
    for first in range(0, count, BATCH):
        some = captions[first : first + BATCH]
        if not (folder / f"{first + len(some) - 1}.txt").exists():
            write(folder, list(pipe(some, seed=10_000 + first, **dict(drawing)).images), some, first)
    return folder


def write(folder: Path, pictures: Sequence[Image.Image], captions: Sequence[str], first: int = 0) -> None:
    """Pictures as 0.png, 1.png, ... with their captions in 0.txt, 1.txt, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, (picture, text) in enumerate(zip(pictures, captions, strict=True), first):
        picture.save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text(text + "\n", encoding="utf-8")
