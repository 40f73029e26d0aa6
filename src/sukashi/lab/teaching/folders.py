"""The lessons as folders, as anybody would have them: pictures with a caption beside each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from sukashi.kirie.captions import THOROUGH, caption, tell
from sukashi.kirie.chance import draw_scene
from sukashi.kirie.scene import Figure
from sukashi.lab.teaching.world import lessons
from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Examples
from sukashi.train.data.folders import read_examples

BATCH = 8
Drawing = tuple[tuple[str, Any], ...]
"""Options of the pictures, as ("steps", 20)."""


def examples(
    out: Path,
    concept: str,
    called: str,
    pipe: Pipeline,
    pictures: int,
    kept: int,
    drawing: Drawing = (),
    *,
    mixed: bool = False,
) -> Examples:
    """``pictures`` lessons about a concept, written to ``out``/lessons/NAME and read back as any folder is.

    With ``kept`` there are so many pictures of the world beside them, drawn by the model itself for captions by chance:
    DreamBooth's prior preservation, for all that the model knows instead of for one class. Where they are ``mixed``
    they are as good as the lessons, which an epoch shows so often that both weigh the same.
    """
    shown = [lesson.picture for lesson in lessons(concept, pictures)]
    taught = out / "lessons" / called.strip("<>").replace(" ", "-")
    write(taught, shown, lesson_captions(concept, called, pictures))
    if not kept:
        return read_examples(taught)
    own = own_pictures(out.parent / "kept", pipe, kept, drawing)
    if mixed:
        both = (read_examples(taught, repeats=max(1, round(kept / pictures))), read_examples(own))
        return Examples([*both[0], *both[1]], [*both[0].notes, *both[1].notes])
    return read_examples(taught, class_folder=own)


def lesson_captions(concept: str, called: str, pictures: int = 5) -> list[str]:
    """What is said of the lessons."""
    return [lesson.caption.format(called) for lesson in lessons(concept, pictures)]


def own_pictures(folder: Path, pipe: Pipeline, count: int, drawing: Drawing = ()) -> Path:
    """``count`` pictures by the model with their captions; what is there already is kept."""
    captions = [own_caption(k) for k in range(count)]
    for first in range(0, count, BATCH):
        some = captions[first : first + BATCH]
        if not (folder / f"{first + len(some) - 1}.txt").exists():
            write(folder, list(pipe(some, seed=10_000 + first, **dict(drawing)).images), some, first)
    return folder


def own_caption(number: int) -> str:
    """What the model is asked for to keep what it knows: every third time anything of its world, else somebody dressed.

    The dressed wear and eat two things or more, and the caption says all of it: what prompts ask of the new is kept.
    """
    rng = Random(f"kept {number}")
    while True:
        scene = draw_scene(rng)
        if number % 3 == 0:
            return caption(scene, rng)
        if len(scene.figures) == 1 and scene.flaw is None and things(scene.figures[0]) >= 2:
            return tell(scene, rng, THOROUGH).text


def things(figure: Figure) -> int:
    """How much somebody wears and eats."""
    return sum(map(bool, (figure.glasses, figure.hat, figure.scarf, figure.food)))


def write(folder: Path, pictures: Sequence[Image.Image], captions: Sequence[str], first: int = 0) -> None:
    """Pictures as 0.png, 1.png, ... with their captions in 0.txt, 1.txt, ..."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, (picture, text) in enumerate(zip(pictures, captions, strict=True), first):
        picture.save(folder / f"{k}.png")
        (folder / f"{k}.txt").write_text(text + "\n", encoding="utf-8")
