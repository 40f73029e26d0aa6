"""A task's run from the request to the result; the loop is the pipeline's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.types import Step
from sukashi.opening import Opened
from sukashi.pipeline import Pipeline, Prepare, Prompt
from sukashi.run import Result, Run

Show = Callable[[Run], Iterable[Step]]  # iterates a run; a progress bar is one that also draws itself


def perform(pipe: Pipeline, prompt: Prompt, prepare: Prepare, show: Show, **options: Any) -> Result:
    """Run a task to its end and decode."""
    start = time.perf_counter()
    run = pipe.steps(prompt, prepare, **options)
    x = run.x
    for step in show(run):
        x = step.x_next
    return pipe.finish(run, x, start)


def paired(prompt: Prompt, pictures: Sequence[Opened]) -> list[str] | Conditioning:
    """A prompt for each of several pictures: the one there is, or one each. Raises ValueError for another number."""
    if isinstance(prompt, Conditioning):  # prompt embeddings say themselves for how many
        return prompt
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    if len(pictures) > 1 and len(prompts) == 1:
        return prompts * len(pictures)
    if len(pictures) not in (1, len(prompts)):
        raise ValueError(f"{len(prompts)} prompts for {len(pictures)} pictures; one, or one for each, is accepted")
    return prompts


def spread_over(items: Sequence[Any], count: int) -> list[Any]:
    """As many as there are pictures in the batch: each item for its share of them, in order."""
    return [items[k * len(items) // count] for k in range(count)]
