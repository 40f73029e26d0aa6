"""From what a client sends to a ``Wish``: whatever can be refused is refused before it is queued, in one sentence."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sukashi.diffusion.names import diffusers_class, grid_key, plain, split
from sukashi.prompts.names import ENDING, WORD, networks
from sukashi.serve.config import Limits
from sukashi.serve.controls import checked
from sukashi.serve.errors import Refused, sentence
from sukashi.serve.jobs.job import Wish
from sukashi.serve.models import Models
from sukashi.serve.pictures import check
from sukashi.settings import Settings

SETTINGS = TypeAdapter(Settings)
FIELDS = tuple(field.name for field in fields(Settings))
TEXTS = ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2")

NOISING = {"strength": float, "exact_steps": bool}
OPTIONS: dict[str, dict[str, type]] = {  # what a task takes beside Settings
    "text-to-image": {},
    "image-to-image": {**NOISING, "resize": str},
    "inpaint": {**NOISING, "repaint": str, "fill": str, "feather": int, "soft": bool}
    | {"only_masked": int, "paste_back": bool},
    "outpaint": {**NOISING, "left": int, "right": int, "top": int, "bottom": int, "fill": str},
    "two-pass": {"scale": float, "strength": float, "second_steps": int, "enlarger": str},
}
PICTURES = {"image-to-image": ("picture",), "inpaint": ("picture", "mask"), "outpaint": ("picture",)}


def wish(
    values: Mapping[str, Any],
    models: Models,
    limits: Limits,
    *,
    task: str = "text-to-image",
    model: str | None = None,
    inputs: Mapping[str, bytes] | None = None,
    controls: Sequence[Mapping[str, Any]] = (),
    **who: Any,
) -> Wish:
    """A request made ready for the queue. ``values`` are the fields of ``Settings`` and the options of the task.

    The picture of ``controls[n]`` is the input "control" and its number.

    Raises Refused for a field that is not known, a value that cannot be run and whatever is beyond the limits.
    """
    if task not in OPTIONS:
        raise Refused(f"task is {task!r}; accepted: {', '.join(OPTIONS)}", param="task")
    offer = models.find(model)
    given = {name: value for name, value in values.items() if name not in OPTIONS[task]}
    if unknown := sorted(set(given) - set(FIELDS)):
        also = ", ".join(OPTIONS[task]) or "none"
        raise Refused(
            f"unknown field {unknown[0]!r}; known are those of Settings and, for {task}: {also}",
            param=unknown[0],
            code="unknown_field",
            field=unknown[0],
        )
    settings = settings_of(given)
    options = options_of(task, {name: values[name] for name in OPTIONS[task] if values.get(name) is not None})
    inputs = dict(inputs or {})
    if controls:
        options["controls"] = checked(models, controls)
    if missing := [name for name in PICTURES.get(task, ()) if name not in inputs and name != "mask"]:
        raise Refused(f"{task} needs a {missing[0]}", param=missing[0], code="needs_picture", task=task)
    own = {f"control{n}" for n in range(len(controls))}
    if extra := sorted(set(inputs) - set(PICTURES.get(task, ())) - own):
        raise Refused(f"{task} takes no {extra[0]}", param=extra[0])
    refuse_names(settings, models)
    refuse_size(task, settings, options, inputs, models, offer.name, limits)
    pipe = models.loaded(offer.name)
    filled = settings.filled(pipe.defaults) if pipe and task in ("text-to-image", "two-pass") else settings
    told = filled.to_dict()
    if told["seed"] is None:
        told["seed"] = secrets.randbelow(2**32)
    if told["variation"] and told["variation_seed"] is None:
        told["variation_seed"] = secrets.randbelow(2**32)
    return Wish(task=task, model=offer.name, settings=told, options=options, inputs=inputs, **who)


def settings_of(given: Mapping[str, Any]) -> Settings:
    """Checked settings. Raises Refused naming what is wrong."""
    try:
        settings = SETTINGS.validate_python(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]) if first.get("loc") else None
        text = sentence(error.errors())
        raise Refused(text, param=where, code="bad_value", text=text) from None
    except (TypeError, ValueError, OverflowError) as error:
        raise Refused(str(error), code="bad_value", text=str(error)) from None
    for name in ("seed", "variation_seed"):
        if (value := getattr(settings, name)) is not None and value + settings.count > 2**64:
            raise Refused(f"{name} is {value}; 0 to 2**64 - 1 is accepted", param=name, code="seed_range", field=name)
    if settings.controls:
        raise Refused("controls of a record name files of a machine: send {model, picture} for each", param="controls")
    for name in TEXTS:
        text = getattr(settings, name) or ""
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise Refused(f"{name} has half a character (a lone surrogate) in it", param=name)
    try:
        if settings.sampler and not diffusers_class(settings.sampler):
            split(settings.sampler)
        if settings.grid and plain(settings.grid) != "automatic":
            grid_key(settings.grid)
    except ValueError as error:
        raise Refused(str(error), param="sampler", code="bad_value", text=str(error)) from None
    return settings


def options_of(task: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a task, of their types. Raises Refused."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        kind = OPTIONS[task][name]
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise Refused(f"{name} is {value!r}; a {kind.__name__} is accepted", param=name)
        if isinstance(value, float) and not math.isfinite(value):
            raise Refused(f"{name} is {value}; a finite number is accepted", param=name)
        found[name] = value
    if not 0 <= found.get("strength", 0.5) <= 1:
        raise Refused(f"strength is {found['strength']!r}; a number in 0..1 is accepted", param="strength")
    return found


def refuse_names(settings: Settings, models: Models) -> None:
    """LoRAs and words are asked for by names that are known here; a path, or a name of the hub, is refused."""
    named = [(record[0], "LoRA", models.networks) for record in settings.loras or []]
    for record in settings.embeddings or []:
        named.append((record if isinstance(record, str) else record[0], "embedding", set(models.words)))
    for text in (getattr(settings, name) or "" for name in TEXTS):
        if settings.emphasis == "none":
            continue
        named += [(network.name, "LoRA", models.networks) for network in networks(text)[1]]
        named += [(ENDING.sub("", name), "embedding", set(models.words)) for name in WORD.findall(text)]
    for name, kind, known in named:
        if not isinstance(name, str) or name.lower() not in {each.lower() for each in known}:
            there = ", ".join(sorted(known)[:8]) or "none are installed"
            told = f"no {kind} is called {str(name)[:80]!r} here; known: {there}"
            code = "no_lora" if kind == "LoRA" else "no_embedding"
            raise Refused(told, param="prompt", code=code, name=str(name)[:80], known=there)


def refuse_size(
    task: str,
    settings: Settings,
    options: Mapping[str, Any],
    inputs: Mapping[str, bytes],
    models: Models,
    model: str,
    limits: Limits,
) -> None:
    """Raises Refused for more than the limits allow; what the model suggests counts where nothing is said."""
    pipe = models.loaded(model)
    filled = settings.filled(pipe.defaults if pipe else {})
    steps = max(filled.steps or 0, int(options.get("second_steps") or 0))
    for name, value, most in (("steps", steps, limits.steps), ("count", filled.count, limits.count)):
        if value > most:
            told = f"{name} is {value}; at most {most} are accepted here"
            raise Refused(told, param=name, code=f"too_many_{name}", value=value, most=most)
    for name in TEXTS:
        if len(getattr(settings, name) or "") > limits.prompt:
            told = f"{name} is longer than {limits.prompt:,} characters"
            raise Refused(told, param=name, code="prompt_too_long", most=limits.prompt)
    width, height = filled.width or 0, filled.height or 0
    if task == "two-pass":
        scale = float(options.get("scale", 2.0))
        width, height = math.ceil(width * min(scale, 8)), math.ceil(height * min(scale, 8))
    if "picture" in inputs:
        across, down = check(inputs["picture"], "picture", limits.pixels)
        width, height = max(settings.width or 0, across), max(settings.height or 0, down)
        width += int(options.get("left", 0)) + int(options.get("right", 0))
        height += int(options.get("top", 0)) + int(options.get("bottom", 0))
    if width * height > limits.pixels:
        raise Refused(
            f"{width} x {height} are {width * height:,} pixels; at most {limits.pixels:,} are accepted here",
            param="width",
            code="too_many_pixels",
            width=width,
            height=height,
            most=limits.pixels,
        )
    if pipe and task in ("text-to-image", "two-pass"):
        try:
            pipe.latent_shape(filled.width or 0, filled.height or 0)
        except ValueError as error:
            raise Refused(str(error), param="width", code="bad_size", text=str(error)) from None
