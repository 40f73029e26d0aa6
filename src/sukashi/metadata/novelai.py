"""Recipes of NovelAI: ``Software`` is "NovelAI", ``Comment`` is JSON, ``Description`` the prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sukashi.metadata.recipe import Fields, Recipe, json_object


def read_novelai(texts: Mapping[str, str], where: str, size: tuple[int, int]) -> Recipe:
    """The recipe of a NovelAI picture; ``size`` is the size of the file, for records that do not say theirs."""
    fields = Fields(json_object(texts.get("Comment", ""), f"the Comment of {where}"))
    prompt = fields.text("prompt") or texts.get("Description") or _v4(fields.left, "v4_prompt")
    negative = fields.text("uc", "negative_prompt") or _v4(fields.left, "v4_negative_prompt")
    width, height = fields.whole("width"), fields.whole("height")
    if width is None or height is None:
        width, height = size
        fields.notes.append(f"the record has no size; {width} x {height} is the size of the file")
    source, clip_skip, strength = texts.get("Source"), None, None
    if re.fullmatch(r"Stable Diffusion [0-9A-F]{8}", source or ""):
        clip_skip = 2
        fields.notes.append("clip skip 2 is not written, but what A1111 takes for pictures of this NovelAI model")
    if "img2img" in str(fields.left.get("request_type", "")).lower():
        strength = fields.real("strength")
    elif "strength" in fields.left:
        fields.notes.append("NovelAI writes a strength for pictures made from a prompt alone, too; it is not used here")
    if _v4(fields.left, "v4_prompt", characters=True):
        fields.notes.append("characters had prompts of their own; see v4_prompt in the other keys")
    return Recipe(
        tool="NovelAI",
        prompt=prompt,
        negative_prompt=negative,
        steps=fields.whole("steps"),
        guidance=fields.real("scale"),
        sampler=fields.text("sampler"),
        grid=fields.text("noise_schedule"),
        seed=fields.whole("seed"),
        width=width,
        height=height,
        model=source,
        clip_skip=clip_skip,
        denoising_strength=strength,
        raw=fields.left,
        notes=tuple(fields.notes),
    )


def _v4(values: Mapping[str, Any], key: str, *, characters: bool = False) -> str:
    caption = values.get(key)
    caption = caption.get("caption") if isinstance(caption, Mapping) else None
    found = caption.get("char_captions" if characters else "base_caption") if isinstance(caption, Mapping) else None
    return str(found) if found else ""
