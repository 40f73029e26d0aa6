"""A picture drawn while everything about its run is recorded: what the see-through view is made of."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.serve.drawing import request_of
from sukashi.serve.jobs.files import Files, write_whole
from sukashi.serve.jobs.job import Job
from sukashi.serve.jobs.store import Store
from sukashi.tasks import Show
from sukashi.watch.export import view
from sukashi.watch.report import explain

KEPT = 200  # views; the oldest go first


def draw_watched(pipe: Pipeline, job: Job, k: int, store: Store, show: Show = iter) -> Result:
    """Picture k of a job, recorded; its view is kept as a file."""
    prompt, options = request_of(job, k, store)
    recording = explain(pipe, prompt, task=job.task, attention=True, show=show, **options)
    keep(store.files, job.id, k, view(recording))
    return recording.result


def keep(files: Files, job: str, k: int, found: dict[str, Any]) -> None:
    """Write a view, and remove the oldest of too many."""
    data = gzip.compress(json.dumps(found, allow_nan=False).encode(), 5, mtime=0)
    write_whole(files.view(job, k), data)
    there = sorted(files.views.glob("*.gz"), key=age)
    for path in there[:-KEPT]:
        path.unlink(missing_ok=True)


def age(path: Path) -> float:
    """When a file was written; 0 where it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
