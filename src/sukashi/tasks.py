"""What a loaded model can be asked for, as plain functions; and what follows: files, replays, comparisons.

A task takes a pipeline and options and returns a ``Result``. ``TASKS`` has them by the name that records give them, so
that ``replay`` finds the one that drew a picture.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from sukashi.diffusion.registry import SAMPLERS
from sukashi.diffusion.types import Step
from sukashi.loading import load
from sukashi.metadata.infotext import infotext_from
from sukashi.metadata.picture import save_picture
from sukashi.outputs import Target
from sukashi.pipeline import Pipeline
from sukashi.run import Result, Run
from sukashi.settings import Settings
from sukashi.shelf import fingerprint as file_fingerprint

Show = Callable[[Run], Iterable[Step]]  # iterates a run; a progress bar is one that also draws itself
CHEAP = 2**26  # bytes that are hashed without being asked: a moment's work

# fmt: off
GRID_LABELS = {  # of A1111, where it has them
    "karras": "Karras", "exponential": "Exponential", "polyexponential": "Polyexponential", "uniform": "Uniform",
    "sgm_uniform": "SGM Uniform", "kl_optimal": "KL Optimal", "ays": "Align Your Steps", "ays_sdxl": "Align Your Steps",
    "simple": "Simple", "normal": "Normal", "ddim_uniform": "DDIM", "beta": "Beta",
}
# fmt: on


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


def save(
    result: Result,
    output: str | os.PathLike[str] | Target | None = None,
    *,
    overwrite: bool = False,
    model_hash: str | None = None,
) -> list[Path]:
    """Write every picture of a result, with A1111's ``parameters`` and our record inside; returns their paths.

    ``output`` is a file, a folder or a pattern (see ``Target``). Nothing is written half, nor over another file unless
    ``overwrite``. ``model_hash`` (see ``fingerprint``) goes into the files where it is given.
    """
    target = output if isinstance(output, Target) else Target(output, overwrite=overwrite)
    target.refuse(len(result.images))
    paths = []
    for k, image in enumerate(result.images):
        record = result.record(k) | ({"model_hash": model_hash} if model_hash else {})
        text = infotext(result, k, model_hash)

        def write(path: Path, image: Image.Image = image, text: str = text, record: dict[str, Any] = record) -> None:
            save_picture(image, path, parameters=text, record=record, overwrite=target.overwrite)

        paths.append(target.put(record["settings"]["seed"], write))
    return paths


def infotext(result: Result, k: int = 0, model_hash: str | None = None) -> str:
    """The text that A1111 would keep in picture k, with its names for samplers and schedules."""
    from sukashi import __version__

    spoken = {"sampler": sampler_label(result.sampler), "grid": grid_label(result.grid)}
    name = Path(result.model).stem if result.model.endswith((".safetensors", ".ckpt")) else Path(result.model).name
    settings = result.requests[k].to_dict() | spoken
    return infotext_from(settings, model=name, model_hash=model_hash, version=__version__, extra={})


def sampler_label(key: str) -> str:
    """A1111's name of a sampler."""
    return SAMPLERS[key].label


def grid_label(key: str) -> str:
    """A1111's name of a schedule, or ours as a title."""
    return GRID_LABELS.get(key, key.replace("_", " ").capitalize())


def fingerprint(pipe: Pipeline) -> str | None:
    """sha256[:10] of the file that the U-Net came from, where that is one and small enough to be read in a moment."""
    source = next((Path(part.source) for part in pipe.parts.report.parts if part.name == "unet"), None)
    if source is None or not source.is_file() or source.stat().st_size > CHEAP:
        return None
    return file_fingerprint(source)


class Comparison(NamedTuple):
    """How two pictures differ, in levels of 0 .. 255."""

    largest: int
    mean: float
    psnr: float  # decibels; infinite for equal pictures

    def within(self, tolerance: int) -> bool:
        """Whether no value differs by more than ``tolerance``."""
        return self.largest <= tolerance


def compare(a: Image.Image, b: Image.Image) -> Comparison:
    """Compare two pictures value by value. Raises ValueError when their sizes differ."""
    if a.size != b.size:
        raise ValueError(f"the pictures are {a.width} x {a.height} and {b.width} x {b.height}: they cannot be compared")
    first, second = (np.asarray(picture.convert("RGB"), dtype=np.int64) for picture in (a, b))
    apart = np.abs(first - second)
    mse = float((apart**2).mean())
    psnr = 10 * math.log10(255**2 / mse) if mse else math.inf
    return Comparison(int(apart.max()), float(apart.mean()), psnr)
