"""From the recipe of any tool to a record that can be replayed, with a list of what is lost on the way."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sukashi.diffusion.names import grid_key, split
from sukashi.metadata.infotext import EMPHASIS
from sukashi.metadata.recipe import Recipe
from sukashi.places import find

TAG = re.compile(r"\s*<(?:lora|lyco|hypernet):[^<>]*>")
SYNTAX = re.compile(r"[()\[\]{}]|\bAND\b|\bBREAK\b")
EDITS = re.compile(r"\[[^\[\]]*(:\s*[\d.]+\s*|\|[^\[\]]*)\]")  # [a:b:3] and [a|b]
COMFY_TEXT = re.compile(r"\[|\bAND\b|\bBREAK\b")
A1111_LIKE = ("AUTOMATIC1111", "Forge", "SD.Next", "Civitai", "stable-diffusion.cpp", "Fooocus", "sukashi")
NOISE = {"GPU": "nv", "NV": "nv", "CUDA": "nv", "CPU": "cpu"}  # a GPU of A1111's is one of NVIDIA's
SCHEDULES = {"discrete": "uniform", "default": "uniform"}  # stable-diffusion.cpp's names for k-diffusion's own
DEFAULT_SCHEDULES = {"stable-diffusion.cpp": "discrete"}  # what a tool does that does not write its schedule
# What tools write that does not change the picture, or is handled apart.
HARMLESS = {
    "Version",
    "VAE hash",
    "Lora hashes",
    "TI hashes",
    "Model hash",
    "Hashes",
    "User",
    "App",
    "Backend",
    "Pipeline",
}

OWN = {  # settings of ours that no other tool writes
    "Negative start": "negative_start",
    "Negative stop": "negative_stop",
    "Negative outside": "negative_outside",
    "Negative scale": "negative_scale",
    "Guide": "guide",
    "DeepCache": "deepcache",
    "T-GATE": "tgate",
}


@dataclass(frozen=True)
class Translation:
    """A record as ``tasks.replay`` takes it. ``ours``: it is sukashi's own, nothing had to be translated."""

    record: Mapping[str, Any]
    ours: bool
    lost: tuple[str, ...] = ()  # sentences on what could not be honoured


def translate(recipe: Recipe) -> Translation:
    """Our own record as it is; another tool's as near as we come."""
    if recipe.tool == "sukashi" and isinstance(recipe.raw.get("settings"), Mapping):
        return Translation(recipe.raw, ours=True)
    lost: list[str] = []
    raw = {key: value for key, value in recipe.raw.items() if key not in HARMLESS}
    sampler, grid = sampler_of(recipe, lost)
    settings: dict[str, Any] = {
        "prompt": without_tags(recipe.prompt),
        "negative_prompt": without_tags(recipe.negative_prompt) or None,
        "width": recipe.width,
        "height": recipe.height,
        "steps": recipe.steps,
        "guidance": recipe.guidance,
        "sampler": sampler,
        "grid": grid_of(recipe, grid, lost),
        "eta": number(raw.pop("Eta", None)),
        "rescale": number(raw.pop("CFG rescale", None)) or 0.0,
        "seed": seed(recipe, lost),
        "clip_skip": max(1, recipe.clip_skip or 1),
        "rng": noise(recipe, lost),
        "emphasis": emphasis(recipe, str(raw.pop("Emphasis", "Original")), lost),
    }
    if recipe.loras:
        settings["loras"] = loras_of(recipe, lost)
    if recipe.tool == "sukashi":
        settings |= {OWN[key]: raw.pop(key) for key in OWN if key in raw}
        settings["negative_scale"] = number(settings.get("negative_scale"))
        for name in ("deepcache", "tgate"):  # [3, 1], 10 and 0.4 are JSON, "step 10" is not
            with contextlib.suppress(ValueError):
                settings[name] = json.loads(settings.get(name) or "null")
    lost += unhonoured(recipe, raw)
    record = {
        "task": "text-to-image",
        "model": recipe.model or "",
        "model_hash": recipe.model_hash,
        "settings": settings,
    }
    return Translation(record, ours=False, lost=tuple(lost))


def without_tags(prompt: str) -> str:
    """The prompt without ``<lora:...>`` and ``<hypernet:...>``."""
    return TAG.sub("", prompt).strip() if TAG.search(prompt) else prompt


def sampler_of(recipe: Recipe, lost: list[str]) -> tuple[str | None, str | None]:
    """Our names for the sampler and for the schedule that its name ends in; one we do not have is left to the model."""
    if not recipe.sampler:
        return None, None
    try:
        return split(recipe.sampler)
    except ValueError:
        lost.append(f"sampler {recipe.sampler!r} is not known here: the model's own is used")
        return None, None


def grid_of(recipe: Recipe, in_name: str | None, lost: list[str]) -> str | None:
    """Our name for the schedule, "automatic" where A1111 chose it."""
    name = (recipe.grid or in_name or DEFAULT_SCHEDULES.get(recipe.tool, "")).lower()
    if not name or name == "automatic":
        return name or None
    try:
        return str(grid_key(SCHEDULES.get(name, name)))
    except ValueError:
        lost.append(f"schedule {recipe.grid!r} is not known here: the model's own is used")
        return None


def loras_of(recipe: Recipe, lost: list[str]) -> list[list[Any]]:
    """The LoRAs whose files are in the known folders, as ``Settings.loras`` has them."""
    found = []
    for lora in recipe.loras:
        weight = 1.0 if lora.weight is None else lora.weight
        try:
            path = find("LoRA", lora.name.replace("\\", "/"))
        except (FileNotFoundError, ValueError) as error:
            lost.append(f"LoRA {lora.name} is not applied: {error}")
        else:
            found.append([str(path), weight, weight if lora.clip_weight is None else lora.clip_weight])
    return found


def number(value: Any) -> float | None:
    """A number, or None for what is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def seed(recipe: Recipe, lost: list[str]) -> int | None:
    """The seed, where it can be one."""
    if recipe.seed is None or not 0 <= recipe.seed < 2**64:
        lost.append(f"the seed is {'not given' if recipe.seed is None else recipe.seed}: a random one is used")
        return None
    return recipe.seed


def noise(recipe: Recipe, lost: list[str]) -> str:
    """Whose noise: A1111 on a GPU drew CUDA's, ComfyUI the CPU's."""
    if recipe.rng and recipe.rng.upper() in NOISE:
        return NOISE[recipe.rng.upper()]
    if recipe.rng or recipe.tool not in ("ComfyUI", "sukashi"):
        lost.append(f"the kind of noise is {recipe.rng or 'not given'}: that of a CPU is used")
    return "cpu"


def emphasis(recipe: Recipe, written: str, lost: list[str]) -> str:
    """How the tool weighed its prompts: A1111's "Emphasis", and what others did by default."""
    said = without_tags(recipe.prompt) + without_tags(recipe.negative_prompt)
    if recipe.tool in A1111_LIKE:
        if EDITS.search(said):
            lost.append("prompt edits and alternations begin at the step that is written, in A1111 one call later")
        known = {name: ours for ours, name in EMPHASIS.items()}
        return known.get(written, "a1111")
    if recipe.tool == "ComfyUI":
        if COMFY_TEXT.search(said):
            lost.append("[a], AND and BREAK are syntax here; ComfyUI took them as words")
        return "comfy"
    if SYNTAX.search(said):
        lost.append(f"brackets in the prompts are drawn as plain words, whatever they meant in {recipe.tool}")
    return "none"


def unhonoured(recipe: Recipe, raw: Mapping[str, Any]) -> list[str]:
    """Everything else that shaped their picture and will not shape ours."""
    lost = [f"embedding {name} is not applied" for name in recipe.embeddings]
    if recipe.denoising_strength is not None:
        lost.append(f"it began from another picture (strength {recipe.denoising_strength:g}), which is not there")
    if "<hypernet:" in recipe.prompt + recipe.negative_prompt:
        lost.append("hypernetworks (<hypernet:...>) are not applied")
    if recipe.tool in ("ComfyUI", "InvokeAI", "NovelAI", "Fooocus"):
        return lost + [f"what else {recipe.tool} did is not repeated"] * bool(raw)
    return lost + [f"{key}: {str(value)[:60]} is not honoured" for key, value in raw.items()]
