"""``read``: the recipe in a picture file, whichever tool wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sukashi.metadata.a1111 import MAX_INFOTEXT, read_infotext
from sukashi.metadata.comfygraph import is_graph
from sukashi.metadata.comfyui import read_comfyui
from sukashi.metadata.fooocus import read_fooocus
from sukashi.metadata.infotext import parse_infotext
from sukashi.metadata.invokeai import read_dream, read_metadata, read_sd_metadata
from sukashi.metadata.novelai import read_novelai
from sukashi.metadata.recipe import Fields, MetadataError, Recipe, json_object
from sukashi.metadata.texts import PictureText, read_texts


def read(path: str | Path) -> Recipe:
    """The recipe in a picture file: ours, or of A1111 and its kin, ComfyUI, InvokeAI, NovelAI or Fooocus.

    Raises MetadataError, one sentence, when there is no recipe or the file is not a picture that can be read.
    """
    found = read_texts(path)
    recipe = recipe_from(found, str(path))
    if recipe is None:
        if found.cut_short:
            raise MetadataError(f"{path} is cut short, and what is left of it holds no recipe")
        others = ", ".join([*found.texts, *found.others][:12])
        raise MetadataError(f"{path} holds no recipe" + (f", only the texts {others}" if others else ""))
    if found.cut_short:
        return with_notes(recipe, "the file is cut short; the recipe was before the break")
    return recipe


def recipe_from(found: PictureText, where: str) -> Recipe | None:
    """The recipe in the texts of a picture, or None when none of them is one. ``where`` names it in messages."""
    texts, size = found.texts, (found.width, found.height)
    if "sukashi" in texts:
        return _ours_or_infotext(texts, where)
    if "parameters" in texts:
        return _parameters(texts, "parameters", where)
    if "invokeai_metadata" in texts:
        return read_metadata(texts["invokeai_metadata"], f"invokeai_metadata of {where}")
    if "sd-metadata" in texts:
        return read_sd_metadata(texts["sd-metadata"], f"sd-metadata of {where}")
    if "Dream" in texts:
        return read_dream(texts["Dream"], f"Dream of {where}")
    if "Comment" in texts and texts.get("Software", "").startswith("NovelAI"):
        return read_novelai(texts, where, size)
    if "prompt" in texts:
        graph = json_object(texts["prompt"], f"prompt of {where}")
        return read_comfyui(graph, where) if is_graph(graph) else None
    if "workflow" in texts:
        raise MetadataError(f"{where} holds only ComfyUI's workflow (the drawing of the graph), not what was run")
    for key in ("UserComment", "Comment"):  # any camera may write these: only a real recipe counts
        text = texts.get(key, "").lstrip()
        if text.startswith("{") or parse_infotext(text[:MAX_INFOTEXT]).params:
            return _parameters(texts, key, where)
    return None


def read_record(record: Mapping[str, Any]) -> Recipe:
    """The recipe in our own record: ``{"settings": {...}, ...}`` in the names of ``sukashi.settings.Settings``.

    A key beside "settings" (the seed of this one picture, the model, "strength") wins over the one in it. ``model``
    is a name or ``{"name": ..., "hash": ...}``. ``raw`` is the record itself, with nothing lost.
    """
    settings = record.get("settings")
    values = {**(settings if isinstance(settings, Mapping) else {}), **record}
    model = values.get("model")
    if isinstance(model, Mapping):
        values |= {"model": model.get("name"), "model_hash": model.get("hash")}
    fields = Fields(values)
    return Recipe(
        tool="sukashi",
        prompt=fields.text("prompt") or "",
        negative_prompt=fields.text("negative_prompt") or "",
        steps=fields.whole("steps"),
        guidance=fields.real("guidance"),
        sampler=fields.text("sampler"),
        grid=fields.text("grid"),
        seed=fields.whole("seed"),
        width=fields.whole("width"),
        height=fields.whole("height"),
        model=fields.text("model"),
        model_hash=fields.text("model_hash"),
        clip_skip=fields.whole("clip_skip"),
        denoising_strength=fields.real("denoising_strength", "strength"),
        rng=fields.text("rng"),
        raw=dict(record),
        notes=tuple(fields.notes),
    )


def with_notes(recipe: Recipe, *sentences: str) -> Recipe:
    """The recipe with more notes."""
    return replace(recipe, notes=(*recipe.notes, *sentences))


def _ours_or_infotext(texts: Mapping[str, str], where: str) -> Recipe:
    try:
        return read_record(json_object(texts["sukashi"], f"the sukashi record of {where}"))
    except MetadataError as error:
        for key in ("parameters", "UserComment"):
            if key in texts:
                return with_notes(read_infotext(texts[key], f"{key} of {where}"), f"{error}; this is its {key} text")
        raise


def _parameters(texts: Mapping[str, str], key: str, where: str) -> Recipe:
    """An infotext, or the JSON that some tools keep where A1111 keeps its infotext."""
    text, scheme = texts[key], texts.get("fooocus_scheme")
    values = _json_in(text, f"{key} of {where}") if text.lstrip().startswith("{") else None
    if values is None:
        recipe = read_infotext(text, f"{key} of {where}", scheme=scheme)
        return with_notes(recipe, "there is a ComfyUI graph, too, which was not read") if "prompt" in texts else recipe
    if scheme == "fooocus" or "base_model" in values:
        return read_fooocus(values)
    if is_graph(values):
        return read_comfyui(values, where)
    raise MetadataError(f"{key} of {where} is JSON of no tool that we know; its keys are {', '.join(values)[:200]}")


def _json_in(text: str, where: str) -> dict[str, Any] | None:
    """The JSON object in a text that begins like one, or None when it is an infotext ("{masterpiece}, a cat ...")."""
    try:
        return json_object(text, where)
    except MetadataError:
        if parse_infotext(text[:MAX_INFOTEXT]).params:
            return None
        raise
