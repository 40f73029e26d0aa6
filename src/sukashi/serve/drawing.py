"""One picture of a job, from its row in the store to a file: the task it asks for, watched step by step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from sukashi.diffusion.types import Step
from sukashi.metadata.picture import encode_picture
from sukashi.pipeline import Pipeline
from sukashi.run import Result, Run
from sukashi.serve.jobs.job import Drawn, Job, seed_of
from sukashi.serve.jobs.live import Live, Moment
from sukashi.serve.jobs.store import Store
from sukashi.serve.pictures import opened
from sukashi.serve.words import words_at
from sukashi.settings import Settings
from sukashi.tasks import TASKS, infotext


class Cancelled(Exception):
    """Nobody wants the picture any more."""


class TooLong(Exception):
    """The picture took longer than is allowed."""

    code = "too_long"

    def __init__(self, seconds: float, i: int, n: int) -> None:
        super().__init__(f"the picture took longer than {seconds:g} seconds: stopped at step {i} of {n}")
        self.values = {"seconds": f"{seconds:g}", "i": i, "n": n}


@dataclass
class Watch:
    """Stands between a run and the task that iterates it: tells each step, and stops where it is asked to."""

    live: Live
    pipe: Pipeline
    k: int
    seconds: float  # allowed for one picture
    observe: Callable[[float], None] = lambda seconds: None
    attention: bool | Sequence[str] = False  # the words whose maps are told at each step
    stopped: int | None = None  # the step after which the picture was broken off
    i: int = 0

    def __post_init__(self) -> None:
        self.start = time.monotonic()

    def __call__(self, run: Run) -> Iterator[Step]:
        """The steps of ``run``; broken off, the last one ends at the picture the model expects."""
        before = time.monotonic()
        for i, step in enumerate(run, 1):
            self.i = i
            self.observe(time.monotonic() - before)
            broken_off = self.look(i, len(run), step.prediction.x0, words_at(run, i, self.attention))
            yield step._replace(x_next=step.prediction.x0) if broken_off else step
            if broken_off:
                return
            before = time.monotonic()

    def look(self, i: int, n: int, x0: Tensor, words: dict[str, Any] | None = None) -> bool:
        """Tell of a step; whether the picture is to be left as it is. Raises Cancelled and TooLong."""
        passed = time.monotonic() - self.start
        if self.live.stop == "cancel":
            raise Cancelled
        if passed > self.seconds:
            raise TooLong(self.seconds, i, n)
        if self.stopped is None:
            self.live.step(Moment(i, n, self.k, x0[:1].detach(), self.pipe, passed, words))
        if self.live.stop in ("interrupt", "skip") and (i < n or self.stopped is not None):
            self.stopped = self.stopped or i
            return True
        return False


def draw(pipe: Pipeline, job: Job, k: int, store: Store, watch: Callable[[Run], Iterator[Step]]) -> Result:
    """Picture k of a job by its task."""
    prompt, options = request_of(job, k, store)
    return TASKS[job.task](pipe, prompt, show=watch, **options)


def request_of(job: Job, k: int, store: Store) -> tuple[str, dict[str, Any]]:
    """The prompt of picture k, and what its task is called with beside it."""
    settings = seed_of(job.settings, k)
    prompt = settings.pop("prompt")
    options = {name: value for name, value in job.options.items() if name != "controls"}  # those are in the pipeline
    for name, told in (("picture", "image"), ("mask", "mask")):
        if name in job.inputs:
            options[told] = opened(store.files.input(job.id, name).read_bytes())
    if job.task not in ("text-to-image", "two-pass"):  # those take the picture's own size
        settings = {name: v for name, v in settings.items() if v is not None or name not in ("width", "height")}
    return prompt, {**settings, **options}


def as_png(result: Result, model_hash: str | None, *, stopped: int | None, rows: int | None) -> bytes:
    """The file of a picture, with A1111's text and our record in it."""
    record = result.record() | ({"model_hash": model_hash} if model_hash else {})
    record |= {"stopped": stopped} if stopped is not None else {}
    record |= {"batch": rows} if rows is not None else {}
    text = infotext(result, 0, model_hash)
    return encode_picture(result.images[0], ".png", parameters=text, record=record)


def facts_of(result: Result, job: Job, k: int, *, stopped: int | None) -> tuple[Drawn, dict[str, Any]]:
    """The picture's row, and the facts of its run."""
    image, asked = result.images[0], result.requests[0]
    seed = asked.seed or 0
    filled = {name: value for name, value in asked.to_dict().items() if job.settings[name] is None}
    if job.task in ("inpaint", "outpaint"):  # drawn at a size in whole cells, or only the masked part
        filled |= {"width": image.width, "height": image.height}
    notes = [*job.facts.get("notes", ()), *(note for note in result.notes if note not in job.facts.get("notes", ()))]
    if stopped is not None:
        notes.append(f"picture {k + 1} was broken off after step {stopped}")
    facts = {
        "sampler": result.sampler,
        "grid": result.grid,
        "calls": result.calls,
        "seconds": round(job.facts.get("seconds", 0.0) + result.seconds, 3),
        "notes": notes,
        "filled": json.loads(json.dumps(filled)),
    }
    drawn = Drawn(k=k, seed=seed, width=image.width, height=image.height, stopped=stopped)
    return drawn, facts


def asked_of(job: Job, k: int) -> Settings:
    """The settings of picture k alone."""
    return replace(Settings.from_dict(seed_of(job.settings, k)), count=1)
