"""Recipes of the tools that write A1111's infotext: A1111, Forge, SD.Next, Fooocus, stable-diffusion.cpp, Civitai."""

from __future__ import annotations

import re
from typing import Any

from sukashi.metadata.infotext import parse_infotext
from sukashi.metadata.recipe import Fields, Lora, MetadataError, Recipe

MAX_INFOTEXT = 2**20  # characters
_LORA = re.compile(r"<(?:lora|lyco):([^:<>]+)((?::[^:<>]*)*)>")
_SCHEDULES = ("Karras", "Exponential", "Polyexponential", "SGM Uniform")  # once written behind the sampler's name


def read_infotext(text: str, where: str, *, scheme: str | None = None) -> Recipe:
    """The recipe in an infotext. ``scheme`` is Fooocus's key of that name, if the file has one.

    What A1111 takes for granted when a key is missing is filled in for A1111's own files, with a note.
    """
    if len(text) > MAX_INFOTEXT:
        raise MetadataError(
            f"{where} is {len(text):,} characters long; at most {MAX_INFOTEXT:,} are read as an infotext"
        )
    info = parse_infotext(text)
    fields = Fields(info.params)
    tool = _tool(info.params, scheme)
    prompt = info.prompt
    size = re.fullmatch(r"(\d{1,9})x(\d{1,9})", fields.text("Size") or "")
    sampler, grid = _sampler(fields, tool)
    if name := fields.text("Hypernet"):
        prompt += f"<hypernet:{name}:{fields.text('Hypernet strength') or '1.0'}>"
    strength = None
    if any(key.startswith("Hires") for key in info.params):
        fields.notes.append("the picture had a second, larger pass (Hires keys); size and strength: see the other keys")
    else:
        strength = fields.real("Denoising strength")
    values: dict[str, Any] = {
        "steps": fields.whole("Steps"),
        "guidance": fields.real("CFG scale"),
        "seed": fields.whole("Seed"),
        "model": fields.text("Model"),
        "model_hash": fields.text("Model hash"),
        "clip_skip": fields.whole("Clip skip"),
        "rng": fields.text("RNG"),
    }
    hashes = _hashes(fields.text("TI hashes"))
    loras = _loras(info.prompt, _hashes(fields.text("Lora hashes")))
    if not info.params:
        fields.notes.append("there is no line of parameters, only a prompt")
    elif tool in ("AUTOMATIC1111", "Forge"):
        grid, values = _with_defaults(grid, values, fields)
        _note_version(info.params.get("Version", ""), fields)
    return Recipe(
        tool=tool,
        prompt=prompt,
        negative_prompt=info.negative_prompt,
        sampler=sampler,
        grid=grid,
        width=int(size[1]) if size else None,
        height=int(size[2]) if size else None,
        denoising_strength=strength,
        loras=loras,
        embeddings=tuple(hashes),
        raw=fields.left | ({"TI hashes": hashes} if hashes else {}),
        notes=tuple(fields.notes),
        **values,
    )


def _tool(params: dict[str, str], scheme: str | None) -> str:
    version = params.get("Version", "")
    for start, tool in (
        ("stable-diffusion.cpp", "stable-diffusion.cpp"),
        ("sukashi", "sukashi"),
        ("Fooocus", "Fooocus"),
        ("ComfyUI", "ComfyUI"),
    ):
        if version.startswith(start):
            return tool
    if scheme:
        return "Fooocus"
    if "SD.Next" in params.get("App", "") or "Backend" in params:
        return "SD.Next"
    if re.match(r"f\d|neo|forge", version, re.IGNORECASE):
        return "Forge"
    if "Civitai resources" in params and not version:
        return "Civitai"
    return "AUTOMATIC1111"


def _sampler(fields: Fields, tool: str) -> tuple[str | None, str | None]:
    """Sampler and schedule: two keys today, once one name such as "DPM++ 2M Karras" (sd.cpp: "euler_a karras")."""
    sampler, grid = fields.text("Sampler"), fields.text("Schedule type", "Scheduler")
    if sampler and not grid:
        if tool == "stable-diffusion.cpp":
            sampler, _, rest = sampler.partition(" ")
            return sampler, rest or None
        for schedule in _SCHEDULES:
            if sampler.endswith(f" {schedule}"):
                return sampler.removesuffix(f" {schedule}"), schedule
    return sampler, grid


def _with_defaults(grid: str | None, values: dict[str, Any], fields: Fields) -> tuple[str, dict[str, Any]]:
    """A1111 leaves out what has its default value; say so."""
    assumed = [
        f"{name} {value}"
        for name, value, here in (
            ("Schedule type", "Automatic", grid),
            ("Clip skip", "1", values["clip_skip"]),
            ("RNG", "GPU", values["rng"]),
        )
        if here is None
    ]
    if assumed:
        fields.notes.append(f"not written, so A1111's defaults: {', '.join(assumed)}")
    return grid or "Automatic", values | {"clip_skip": values["clip_skip"] or 1, "rng": values["rng"] or "GPU"}


def _note_version(version: str, fields: Fields) -> None:
    found = re.match(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-(\d{1,9})\b)?", version)
    if not found:
        return
    number = tuple(int(part or 0) for part in found.groups())
    if number < (1, 6, 0, 0):
        fields.notes.append(f"A1111 {version} counts the steps of prompt edits ([a:b:0.5]) in the old way (before 1.6)")
    if number < (1, 7, 0, 225):
        fields.notes.append(f"A1111 {version} rounds alphas_cumprod to half precision (before 1.7.0-225)")


def _hashes(text: str | None) -> dict[str, str]:
    """``name: hash, name: hash``."""
    pairs = (part.rpartition(":") for part in (text or "").split(","))
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _loras(prompt: str, hashes: dict[str, str]) -> tuple[Lora, ...]:
    """``<lora:name:te:unet>``, ``<lora:name:te=0.5:unet=1>``; one number alone is for both."""
    found: list[Lora] = []
    for name, arguments in _LORA.findall(prompt):
        numbers: list[float | None] = []
        named: dict[str, float | None] = {}
        for argument in arguments.split(":")[1:]:
            key, equals, value = argument.rpartition("=")
            if equals:
                named[key.strip()] = _float(value)
            else:
                numbers.append(_float(value))
        text = named.get("te", numbers[0] if numbers else 1.0)
        unet = named.get("unet", numbers[1] if len(numbers) > 1 else text)
        found.append(Lora(name, unet, None if text == unet else text, hashes.pop(name, None)))
    return (*found, *(Lora(name, hash=value) for name, value in hashes.items()))


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
