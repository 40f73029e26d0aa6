"""Control networks by name: those of this machine, for pictures that steer a request."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sukashi.adapters.control import Control, load_control
from sukashi.adapters.control.hint import FITS
from sukashi.adapters.use import place_of
from sukashi.pipeline import Pipeline
from sukashi.serve.errors import Refused
from sukashi.serve.jobs.job import Job
from sukashi.serve.jobs.store import Store
from sukashi.serve.models import Models
from sukashi.serve.pictures import opened

MOST = 8  # of one request
FIELDS: dict[str, tuple[type, ...]] = {
    "scale": (int, float),
    "start": (int, float),
    "stop": (int, float),
    "guess": (bool,),
    "fit": (str,),
}


def known(models: Models, name: Any) -> str:
    """The name of a control network as it is spelled here; A1111's digits behind it are passed over. Raises Refused."""
    plain = str(name).rpartition(" [")[0] if str(name).endswith("]") else str(name)
    for there in models.controls:
        if plain.removesuffix(".safetensors").removesuffix(".pth").casefold() == there.casefold():
            return there
    listed = ", ".join(sorted(models.controls)[:8]) or "none are installed"
    told = f"no ControlNet is called {str(name)[:80]!r} here; known: {listed}"
    raise Refused(told, 404, param="controls", code="no_control", name=str(name)[:80], known=listed)


def checked(models: Models, asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a request asks for: each {model, scale, start, stop, guess, fit}, its picture apart. Raises Refused."""
    if len(asked) > MOST:
        raise Refused(f"controls has {len(asked)} entries; at most {MOST} are accepted", param="controls")
    found = []
    for one in asked:
        given = {name: value for name, value in one.items() if value is not None and name != "model"}
        if told := wrong_in(given):
            raise Refused(told, param="controls", code="bad_control", text=told)
        found.append({"model": known(models, one.get("model")), **given})
    return found


def wrong_in(given: Mapping[str, Any]) -> str | None:
    """What cannot be in the options of a control, as a sentence."""
    for name, value in given.items():
        kinds = FIELDS.get(name, ())
        if not isinstance(value, kinds) or isinstance(value, bool) != (kinds == (bool,)):
            return f"{name} of a control is {value!r}; known are {', '.join(FIELDS)}"
    scale, start, stop = given.get("scale", 1.0), given.get("start", 0.0), given.get("stop", 1.0)
    if not (math.isfinite(scale) and -10 <= scale <= 10):
        return f"scale of a control is {scale!r}; a number in -10..10 is accepted"
    if not 0 <= start < stop <= 1:
        return f"a control acts from {start!r} to {stop!r}; 0 <= start < stop <= 1 is accepted"
    if given.get("fit", "crop") not in FITS:
        return f"fit of a control is {given['fit']!r}; accepted: {', '.join(FITS)}"
    return None


def controlled(pipe: Pipeline, models: Models, job: Job, store: Store) -> Pipeline:
    """The pipeline with the control networks that a job asks for. Raises what loading raises, and ValueError."""
    for n, one in enumerate(job.options.get("controls", ())):
        options = {name: value for name, value in one.items() if name != "model"}
        picture = opened(store.files.input(job.id, f"control{n}").read_bytes())
        pipe = pipe.with_control(loaded(models, str(one["model"]), job.model, pipe), picture, **options)
    return pipe


def loaded(models: Models, name: str, model: str, pipe: Pipeline) -> Control:
    """A control network for a model, kept as models are. Its name stands in records, not its place."""
    with models.lock:
        control = models.helpers.get((name, model))
        if control is None:
            path = models.controls[known(models, name)]
            place: dict[str, Any] = place_of(pipe.unet)
            control = replace(load_control(path, like=pipe.unet.config, **place), source=name)
            models.helpers[name, model] = control
        models.helpers.move_to_end((name, model))
        models.tidy()
        return control
