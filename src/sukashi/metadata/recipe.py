"""A recipe: how a picture was made, in one vocabulary for all tools."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

MAX_DEPTH = 50  # of nested JSON


class MetadataError(ValueError):
    """A file from which no recipe can be read; the message is one sentence for the user."""


@dataclass(frozen=True)
class Lora:
    """One LoRA of a recipe. ``clip_weight`` is None when the text encoder has the weight of the U-Net."""

    name: str
    weight: float | None = None
    clip_weight: float | None = None
    hash: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a picture file says of how it was made. ``None`` and empty mean: the file does not say.

    ``sampler``, ``grid`` (the noise schedule) and ``rng`` are spelt as the tool spells them. ``clip_skip`` counts as
    A1111 counts: 1 is the last layer. ``raw`` holds every other key, or the tool's whole record where that is more
    useful; ``notes`` says in sentences what was guessed, assumed or not understood.
    """

    tool: str
    prompt: str = ""
    negative_prompt: str = ""
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    grid: str | None = None
    seed: int | None = None
    width: int | None = None  # pixels
    height: int | None = None
    model: str | None = None
    model_hash: str | None = None
    clip_skip: int | None = None
    denoising_strength: float | None = None
    rng: str | None = None
    loras: tuple[Lora, ...] = ()
    embeddings: tuple[str, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain JSON values, every field present."""
    values = {f.name: getattr(recipe, f.name) for f in fields(recipe)}
    return values | {
        "loras": [asdict(lora) for lora in recipe.loras],
        "embeddings": list(recipe.embeddings),
        "raw": dict(recipe.raw),
        "notes": list(recipe.notes),
    }


def describe(recipe: Recipe) -> str:
    """The recipe as text for a person: one line per fact, long or nested values only named.

    Control characters of the file are shown as escapes, so that a picture cannot write to the terminal.
    """
    sampler = ", ".join(part for part in (recipe.sampler, recipe.grid) if part)
    size = f"{recipe.width} x {recipe.height}" if recipe.width and recipe.height else None
    model = f"{recipe.model or 'unnamed'} [{recipe.model_hash}]" if recipe.model_hash else recipe.model
    rows: list[tuple[str, object]] = [
        ("made by", recipe.tool),
        ("prompt", recipe.prompt or "(empty)"),
        ("negative", recipe.negative_prompt),
        ("steps", recipe.steps),
        ("sampler", sampler),
        ("guidance", _number(recipe.guidance)),
        ("seed", recipe.seed),
        ("size", size),
        ("model", model),
        ("clip skip", recipe.clip_skip),
        ("strength", _number(recipe.denoising_strength)),
        ("rng", recipe.rng),
        *(("lora", _lora(lora)) for lora in recipe.loras),
        *(("embedding", name) for name in recipe.embeddings),
        *(("also", f"{key}: {_short(value)}") for key, value in recipe.raw.items()),
        *(("note", note) for note in recipe.notes),
    ]
    return "\n".join(_row(name, value) for name, value in rows if value not in (None, ""))


def _row(name: str, value: object) -> str:
    first, *rest = (_visible(line) for line in str(value).split("\n"))
    return "\n".join([f"{name:<10} {first}", *(f"{'':<10} {line}".rstrip() for line in rest)])


def _visible(text: str) -> str:
    shown = (c.isprintable() or unicodedata.category(c) == "Zs" for c in text)
    return "".join(c if ok else c.encode("unicode_escape").decode() for c, ok in zip(text, shown, strict=True))


def _lora(lora: Lora) -> str:
    weights = [
        f"{kind}{value:g}" for kind, value in (("", lora.weight), ("text ", lora.clip_weight)) if value is not None
    ]
    return lora.name + (f" ({', '.join(weights)})" if weights else "") + (f" [{lora.hash}]" if lora.hash else "")


def _number(value: float | None) -> str | None:
    return None if value is None else f"{value:g}"


def _short(value: object) -> str:
    if isinstance(value, Mapping | list) and len(str(value)) > 100:
        return f"({len(value)} entries, see --json)"
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}... ({len(text)} characters, see --json)"


class Fields:
    """Somebody's key/values, taken one by one; what is not taken, or not understood, stays in ``left``."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.left: dict[str, Any] = dict(values)
        self.notes: list[str] = []

    def text(self, *keys: str) -> str | None:
        """The first of ``keys`` that is there, as text; empty text counts as absent."""
        value = self._take(keys, _text, "text")
        return value or None

    def whole(self, *keys: str) -> int | None:
        """The first of ``keys`` that is there, as a whole number."""
        return self._take(keys, _whole, "a whole number")

    def real(self, *keys: str) -> float | None:
        """The first of ``keys`` that is there, as a finite number."""
        return self._take(keys, _real, "a number")

    def _take(self, keys: tuple[str, ...], convert: Any, what: str) -> Any:
        for key in keys:
            value = self.left.get(key)
            if value is None:
                continue
            try:
                result = convert(value)
            except (ValueError, TypeError, OverflowError):
                self.notes.append(f"{key} is {str(value)[:60]!r}, not {what}")
                continue
            del self.left[key]
            return result
        return None


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    return str(value)


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        return int(value)
    if not isinstance(value, int) and float(value) != int(float(value)):
        raise ValueError
    return int(value) if isinstance(value, int) else int(float(value))


def _real(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def json_object(text: str, where: str) -> dict[str, Any]:
    """The JSON object in ``text``, with NaN and infinities as text. Raises MetadataError when it is none, or absurd."""
    try:
        values = json.loads(text, parse_constant=str, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise MetadataError(f"{where} is not readable as JSON: {error}") from error
    if not isinstance(values, dict):
        raise MetadataError(f"{where} is a JSON {type(values).__name__}, not an object of keys and values")
    level: list[Any] = [values]
    for _ in range(MAX_DEPTH):
        level = [x for v in level for x in (v.values() if isinstance(v, dict) else v) if isinstance(x, dict | list)]
        if not level:
            return values
    raise MetadataError(f"{where} is JSON nested more than {MAX_DEPTH} deep")


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text
