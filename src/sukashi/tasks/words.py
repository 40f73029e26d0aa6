"""Pictures from words alone."""

from __future__ import annotations

import time
from typing import Any

from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.tasks.driving import Show


def text_to_image(pipe: Pipeline, prompt: str | list[str] = "", *, show: Show = iter, **options: Any) -> Result:
    """Draw for a prompt; options are the fields of ``Settings``. ``show`` may watch the run go by.

    Raises ValueError for settings that cannot be run, NumericalError when the networks give NaN in float32 too.
    """
    start = time.perf_counter()
    run = pipe.steps(prompt, **options)
    x = run.x
    for step in show(run):
        x = step.x_next
    return pipe.finish(run, x, start)
