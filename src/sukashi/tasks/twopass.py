"""Two passes: a picture is drawn at the size a model knows, enlarged, and drawn anew at the larger size ("hires")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.tasks.driving import Show
from sukashi.tasks.image import image_to_image
from sukashi.tasks.strength import steps_of
from sukashi.tasks.words import text_to_image

ENLARGERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


def two_pass(
    pipe: Pipeline,
    prompt: str | Sequence[str] = "",
    *,
    scale: float = 2.0,
    strength: float = 0.5,
    second_steps: int | None = None,
    enlarger: str = "lanczos",
    show: Show = iter,
    **options: Any,
) -> Result:
    """Draw for a prompt at width and height, enlarge ``scale`` times, and draw that anew by ``strength``.

    Composition comes from the first pass, at a size the model was trained with; detail from the second, which makes
    ``second_steps`` (None: as many as the first) times ``strength``. ``show`` watches both runs.
    Raises ValueError for a scale beyond 1..8 and an unknown enlarger.
    """
    if not 1 <= scale <= 8:
        raise ValueError(f"scale is {scale!r}; a number in 1..8 is accepted")
    if enlarger not in ENLARGERS:
        raise ValueError(f"enlarger is {enlarger!r}; accepted: {', '.join(ENLARGERS)}")
    if second_steps is not None and (isinstance(second_steps, bool) or second_steps < 1):
        raise ValueError(f"second_steps is {second_steps!r}; a whole number of at least 1 is accepted")
    steps_of(1, strength, False, 1)  # a strength that cannot be is refused before the first pass
    first = text_to_image(pipe, prompt if isinstance(prompt, str) else list(prompt), show=show, **options)
    asked, cell = first.requests[0], pipe.vae.config.factor
    size = tuple(max(cell, round(side * scale / cell) * cell) for side in first.images[0].size)
    large = [picture.resize((size[0], size[1]), ENLARGERS[enlarger]) for picture in first.images]
    again = options | {"seed": asked.seed, "count": 1, "width": size[0], "height": size[1]}
    again["steps"] = second_steps or asked.steps
    prompts = [request.prompt for request in first.requests]
    second = image_to_image(pipe, prompts, image=large, strength=strength, show=show, **again)
    record = {"scale": scale, "strength": strength, "second_steps": second_steps, "enlarger": enlarger}
    return replace(
        second,
        requests=first.requests,
        task="two-pass",
        options=[record] * len(second.images),
        notes=[*first.notes, *(note for note in second.notes if note not in first.notes)],
        calls=first.calls + second.calls,
        seconds=first.seconds + second.seconds,
    )
