"""/api/read and /api/diff: how a picture was made, and how two differ."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import numpy as np
from fastapi import APIRouter
from PIL import Image
from pydantic import BaseModel

from sukashi.metadata.readers import recipe_from
from sukashi.metadata.recipe import MetadataError, Recipe, to_dict
from sukashi.metadata.texts import PictureText, read_texts
from sukashi.opening import open_picture
from sukashi.serve.desk import Desk
from sukashi.serve.errors import Refused
from sukashi.serve.own.jobs import TheDesk
from sukashi.serve.pictures import data_url, decoded, opened
from sukashi.serve.temporary import as_file
from sukashi.settings import Settings
from sukashi.tasks import compare

router = APIRouter(prefix="/api", tags=["tools"])
_OURS = re.compile(r"(?:https?://[^/\s]+)?/api/jobs/([0-9a-f]{24})/images/(\d{1,4})\.png", re.ASCII)


class Picture(BaseModel):
    """A picture, as a data URL or base64."""

    picture: str


class Pair(BaseModel):
    """Two pictures: data URLs, base64, or addresses of pictures of this server."""

    a: str
    b: str


@router.post("/read")
def read(body: Picture, desk: TheDesk) -> dict[str, Any]:
    """The recipe in a picture, whichever tool wrote it, and the settings that say the same."""
    texts, recipe, problem = recipe_in(decoded(body.picture, "picture", 2**28))
    infotext = texts.texts.get("parameters") or texts.texts.get("UserComment")
    if recipe is None:
        empty: dict[str, Any] = {"tool": None, "settings": None, "model": None, "options": {}, "record": None}
        return {**empty, "notes": [problem] if problem else [], "infotext": infotext}
    record = dict(recipe.raw) if recipe.tool == "sukashi" and "settings" in recipe.raw else None
    settings, notes = settings_in(recipe)
    told = {**to_dict(recipe), "settings": settings, "infotext": infotext, "record": record}
    told["notes"] = [*recipe.notes, *notes]
    told["options"] = dict((record or {}).get("options") or {})
    told["task"] = (record or {}).get("task")
    return told


def recipe_in(data: bytes) -> tuple[PictureText, Recipe | None, str | None]:
    """The texts of a picture, its recipe or None, and why there is none."""
    with as_file(data) as path:
        try:
            texts = read_texts(path)
        except MetadataError as error:
            return PictureText("", 0, 0), None, str(error).replace(str(path), "the picture")
        try:
            recipe = recipe_from(texts, "the picture")
        except MetadataError as error:
            return texts, None, str(error)
    return texts, recipe, None if recipe else "the picture holds no recipe"


def settings_in(recipe: Recipe) -> tuple[dict[str, Any], list[str]]:
    """The fields of ``Settings`` that a recipe says, and what could not be taken over."""
    notes: list[str] = []
    ours = recipe.raw.get("settings")
    if recipe.tool == "sukashi" and isinstance(ours, dict):
        known = Settings().to_dict()
        return {name: value for name, value in ours.items() if name in known and value != known[name]}, notes
    names = (
        "prompt",
        "negative_prompt",
        "steps",
        "guidance",
        "sampler",
        "grid",
        "seed",
        "width",
        "height",
        "clip_skip",
    )
    found = {name: getattr(recipe, name) for name in names if getattr(recipe, name) not in (None, "")}
    kinds = {"gpu": "nv", "nv": "nv", "cpu": "cpu", "cuda": "nv"}
    if recipe.rng and (kind := kinds.get(recipe.rng.lower())):
        found["rng"] = kind
    for name in list(found):
        try:
            Settings(**{name: found[name]})
        except (ValueError, TypeError) as error:
            notes.append(f"{name} was left out: {error}")
            del found[name]
    return found, notes


@router.post("/diff")
def diff(body: Pair, desk: TheDesk) -> dict[str, Any]:
    """How two pictures differ, in levels of 0 to 255."""
    a, b = (picture_of(desk, text, name) for name, text in (("a", body.a), ("b", body.b)))
    try:
        found = compare(a, b)
    except ValueError as error:
        raise Refused(str(error)) from None
    first, second = (np.asarray(picture, dtype=np.int16) for picture in (a, b))
    apart = np.abs(first - second).max(axis=2)
    seen = Image.fromarray((apart * (255 / max(1, found.largest))).astype(np.uint8))
    return {
        "equal": found.largest == 0,
        "largest": found.largest,
        "mean": found.mean,
        "psnr": found.psnr if math.isfinite(found.psnr) else None,
        "differing": int((apart > 0).sum()),
        "width": a.width,
        "height": a.height,
        "picture": data_url(seen.convert("RGB")),
    }


def picture_of(desk: Desk, text: str, name: str) -> Image.Image:
    """A picture that was sent, or one of ours by its address (which is read, not fetched)."""
    if match := _OURS.fullmatch(text.strip()):
        path = desk.store.files.picture(match[1], int(match[2]))
        if not path.is_file():
            raise Refused(f"{name}: there is no such picture here", 404, param=name)
        return Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
    return open_picture(opened(decoded(text, name, 2**26))).picture
