"""From a record back to a picture."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sukashi.loading import load
from sukashi.opening import open_picture
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.settings import Settings
from sukashi.tasks.depth import depth_to_image
from sukashi.tasks.driving import Show
from sukashi.tasks.grids import grid
from sukashi.tasks.image import image_to_image
from sukashi.tasks.inpaint import inpaint
from sukashi.tasks.instruct import instruct
from sukashi.tasks.outpaint import outpaint
from sukashi.tasks.refine import refine
from sukashi.tasks.twopass import two_pass
from sukashi.tasks.upscale import upscale
from sukashi.tasks.words import text_to_image

TASKS: dict[str, Callable[..., Result]] = {
    "text-to-image": text_to_image,
    "image-to-image": image_to_image,
    "inpaint": inpaint,
    "depth-to-image": depth_to_image,
    "upscale": upscale,
    "instruct": instruct,
    "outpaint": outpaint,
    "two-pass": two_pass,
    "refine": refine,
    "grid": grid,
}


def replay(record: Mapping[str, Any], pipe: Pipeline | None = None, *, show: Show = iter, **given: Any) -> Result:
    """Draw again what a record of ours (``Result.record``) describes, with its model unless a ``pipe`` is given.

    Pictures that it began from are opened where they were, and must be the same still; ``image=...`` and the like give
    others in their place, ``control_pictures=[...]`` those of control networks and image prompts. Raises ValueError for
    a record that is not ours, or of a task or a setting that this version does not know, and FileNotFoundError for a
    picture that is not there.
    """
    task, settings = record.get("task"), record.get("settings")
    if not isinstance(settings, Mapping) or not isinstance(record.get("model"), str):
        raise ValueError("this is no record of sukashi's: it has no model and settings")
    if task not in TASKS:
        raise ValueError(f"the task {task!r} is not known to this version; known: {', '.join(TASKS)}")
    try:
        asked = Settings.from_dict(settings)
    except TypeError as error:
        raise ValueError(f"the settings of the record cannot be used: {error}") from error
    options = dict(record.get("options") or {}) | {name: value for name, value in given.items() if value is not None}
    options |= {name: found(name, value) for name, value in options.items() if is_picture(value)}
    pipe, pictures = pipe or load(record["model"]), options.pop("control_pictures", None)
    if asked.controls:
        pipe = pipe if pipe.uses else pipe.with_records(asked.controls, pictures)
        asked = replace(asked, controls=None)  # the pipeline records its own
    return TASKS[task](pipe, show=show, **(asked.to_dict() | options))


def is_picture(value: Any) -> bool:
    """Whether a value of a record stands for a picture."""
    return isinstance(value, Mapping) and set(value) == {"path", "pixels"}


def found(name: str, value: Mapping[str, Any]) -> str:
    """The path of a picture that a record speaks of, after a look whether it is the same still."""
    path = value["path"]
    if path is None:
        raise ValueError(f"the {name} of the record was never a file; give it ({name}=...)")
    if not os.path.isfile(path):
        raise FileNotFoundError(f"the record needs its {name} {path}, which is not there; give it ({name}=...)")
    if not isinstance(path, str) or open_picture(path).record["pixels"] != value["pixels"]:
        raise ValueError(f"{path} is not the picture any more that the record speaks of; give it ({name}=...)")
    return path
