"""Outpainting: a picture is continued beyond its sides, and comes back byte for byte inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from sukashi.opening import Source, open_picture
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.tasks.driving import Show
from sukashi.tasks.fitting import extend
from sukashi.tasks.inpaint import inpaint

SIDES = ("left", "right", "top", "bottom")


def outpaint(
    pipe: Pipeline,
    prompt: str | Sequence[str] = "",
    *,
    image: Source,
    left: int = 0,
    right: int = 0,
    top: int = 0,
    bottom: int = 0,
    strength: float = 1.0,
    exact_steps: bool = False,
    fill: str = "fill",
    show: Show = iter,
    **options: Any,
) -> Result:
    """Continue ``image`` by so many pixels on each side, with the models and options of ``inpaint``.

    Raises ValueError where no side grows, or by less than nothing.
    """
    amounts = {"left": left, "right": right, "top": top, "bottom": bottom}
    for name, value in amounts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ValueError(f"{name} is {value!r}; a whole number of pixels from 0 on is accepted")
    if not any(amounts.values()):
        raise ValueError(f"no side grows; say by how many pixels: {', '.join(SIDES)}")
    opened = open_picture(image)
    canvas = extend(opened.picture, left, top, right, bottom)
    mask = Image.new("L", canvas.size, 255)
    mask.paste(0, (left, top, left + opened.picture.width, top + opened.picture.height))
    said: dict[str, Any] = {"strength": strength, "exact_steps": exact_steps, "fill": fill}
    given = {name: options.pop(name) for name in ("width", "height") if name in options}
    if any(given.values()) and (given.get("width"), given.get("height")) != whole(canvas.size, pipe.vae.config.factor):
        raise ValueError("width and height follow from the picture and the sides; leave them out")
    result = inpaint(pipe, prompt, image=canvas, mask=mask, feather=0, show=show, **said, **options)
    record = {"image": opened.record} | amounts | said
    notes = [*opened.notes, *result.notes]
    return replace(result, task="outpaint", options=[record] * len(result.images), notes=notes)


def whole(size: tuple[int, int], cell: int) -> tuple[int, int]:
    """A size in whole cells, rounded up."""
    return size[0] + -size[0] % cell, size[1] + -size[1] % cell
