"""Recipes of InvokeAI: ``invokeai_metadata`` (since 3.0), ``sd-metadata`` (2.x) and the command line in ``Dream``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sukashi.metadata.recipe import Fields, Lora, Recipe, json_object

_QUOTED = re.compile(r'\s*"((?:\\.|[^"\\])*)"(.*)', re.DOTALL)
_OPTION = re.compile(r"(?<!\S)-{1,2}([A-Za-z]\w*)((?:[ =]+(?!-{1,2}[A-Za-z])\S+)*)")
_DREAM = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler", "f": "strength"}


def read_metadata(text: str, where: str) -> Recipe:
    """The recipe in ``invokeai_metadata``."""
    fields = Fields(json_object(text, where))
    model, model_hash = _model(fields.left)
    skipped, device = fields.whole("clip_skip"), fields.text("rand_device")
    prompt, negative = fields.text("positive_prompt") or "", fields.text("negative_prompt") or ""
    if any(fields.left.get(key) for key in ("positive_style_prompt", "negative_style_prompt")):
        fields.notes.append("the second text encoder had style prompts of its own; see the other keys")
    for kind in ("controlnets", "ipAdapters", "t2iAdapters"):
        if fields.left.get(kind):
            fields.notes.append(f"{kind} were used; see the other keys")
    return Recipe(
        tool="InvokeAI",
        prompt=prompt,
        negative_prompt=negative,
        **_drawn(fields, "scheduler"),
        model=model,
        model_hash=model_hash,
        clip_skip=None if skipped is None else skipped + 1,  # Invoke counts the layers left out
        rng=device,
        loras=_loras(fields),
        raw=fields.left,
        notes=tuple(fields.notes),
    )


def _drawn(fields: Fields, sampler: str) -> dict[str, Any]:
    """What all three records say in the same words, but for the sampler."""
    numbers: dict[str, Any] = {name: fields.whole(name) for name in ("steps", "seed", "width", "height")}
    reals = {"guidance": fields.real("cfg_scale"), "denoising_strength": fields.real("strength")}
    return numbers | reals | {"sampler": fields.text(sampler)}


def read_sd_metadata(text: str, where: str) -> Recipe:
    """The recipe in ``sd-metadata``, whose picture is described under ``image``."""
    record = Fields(json_object(text, where))
    image = record.left.pop("image", None)
    fields = Fields(image if isinstance(image, dict) else {})
    if not isinstance(image, dict):
        record.notes.append("the record does not describe its image")
    parts = fields.left.pop("prompt", "")
    texts = [p.get("prompt") for p in parts if isinstance(p, dict)] if isinstance(parts, list) else [parts]
    prompt, negative = _split(" ".join(part for part in texts if isinstance(part, str)))
    if len(texts) > 1:
        record.notes.append(f"the prompt is a blend of {len(texts)} prompts, given here in one line")
    return Recipe(
        tool="InvokeAI",
        prompt=prompt,
        negative_prompt=negative,
        **_drawn(fields, "sampler"),
        model=record.text("model_weights"),
        model_hash=record.text("model_hash"),
        raw=record.left | fields.left,
        notes=(*record.notes, *fields.notes),
    )


def read_dream(text: str, where: str) -> Recipe:
    """The recipe in ``Dream``: ``"prompt [negative]" -s 50 -S seed -W 512 -H 768 -C 7.5 -A k_lms ...``."""
    quoted = _QUOTED.match(text)
    words, options = (quoted[1].replace('\\"', '"'), quoted[2]) if quoted else (text, "")
    prompt, negative = _split(words)
    given = {_DREAM.get(key, key): value.strip(" =") or "on" for key, value in _OPTION.findall(options)}
    fields = Fields(given)
    if not quoted:
        fields.notes.append(f"{where} does not begin with a quoted prompt; all of it is taken for the prompt")
    return Recipe(
        tool="InvokeAI",
        prompt=prompt,
        negative_prompt=negative,
        **_drawn(fields, "sampler"),
        raw=fields.left,
        notes=tuple(fields.notes),
    )


def _split(words: str) -> tuple[str, str]:
    """Invoke 2.x: what stands in square brackets is the negative prompt."""
    negative = re.findall(r"\[([^\[\]]*)\]", words)
    return re.sub(r" ?\[[^\[\]]*\]", "", words).strip(), ", ".join(part.strip() for part in negative)


def _named(value: Any) -> tuple[str | None, str | None]:
    """Name and hash of a model: ``{"model_name"}`` (3.x) or ``{"name", "hash"}`` (4 and later)."""
    fields = Fields(value if isinstance(value, Mapping) else {})
    return fields.text("name", "model_name"), fields.text("hash")


def _model(values: dict[str, Any]) -> tuple[str | None, str | None]:
    name, model_hash = _named(values.get("model"))
    if name:
        del values["model"]
    return name, model_hash


def _loras(fields: Fields) -> tuple[Lora, ...]:
    found: list[Lora] = []
    given = fields.left.pop("loras", None) or []
    for entry in given if isinstance(given, list) else [given]:
        item = Fields(entry if isinstance(entry, Mapping) else {})
        name, lora_hash = _named(item.left.get("model") or item.left.get("lora"))
        if name:
            found.append(Lora(name, item.real("weight"), hash=lora_hash))
        else:
            fields.notes.append(f"a LoRA without a name: {str(entry)[:80]!r}")
    return tuple(found)
