"""From a record back to a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sukashi.loading import load
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.settings import Settings
from sukashi.tasks.words import Show, text_to_image

TASKS: dict[str, Callable[..., Result]] = {"text-to-image": text_to_image}


def replay(record: Mapping[str, Any], pipe: Pipeline | None = None, *, show: Show = iter) -> Result:
    """Draw again what a record of ours (``Result.record``) describes, with its model unless a ``pipe`` is given.

    Raises ValueError for a record that is not ours, or of a task or a setting that this version does not know.
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
    return TASKS[task](pipe or load(record["model"]), show=show, **asked.to_dict())
