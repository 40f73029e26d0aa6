"""png-info, enlarging, memory; and a clear answer to what is not done here."""

from __future__ import annotations

import math
import os
from typing import Any

import torch
from fastapi import APIRouter
from PIL import Image

from sukashi.metadata.infotext import parse_infotext
from sukashi.opening import open_picture
from sukashi.serve.a1111.fields import PngInfo, Upscale, UpscaleMany
from sukashi.serve.desk import Desk
from sukashi.serve.errors import Refused
from sukashi.serve.own.jobs import TheDesk
from sukashi.serve.own.tools import recipe_in
from sukashi.serve.pictures import as_png, base64_of, decoded, opened
from sukashi.tasks.fitting import fit

router = APIRouter(prefix="/sdapi/v1", tags=["a1111"])
WAYS = {"lanczos": Image.Resampling.LANCZOS, "nearest": Image.Resampling.NEAREST}


@router.post("/png-info")
def png_info(body: PngInfo, desk: TheDesk) -> dict[str, Any]:
    """The text in a picture: A1111's own, and every other by its key."""
    texts = recipe_in(decoded(body.image, "image", 2**28))[0].texts
    info = texts.get("parameters") or texts.get("UserComment") or ""
    items = {key: text for key, text in texts.items() if key not in ("UserComment",)}
    return {"info": info, "items": items, "parameters": parse_infotext(info).pasted() if info else {}}


@router.post("/extra-single-image")
def enlarge(body: Upscale, desk: TheDesk) -> dict[str, Any]:
    """Enlarge a picture by Lanczos's or the nearest-neighbour rule."""
    return {"html_info": "", "image": enlarged(desk, body, body.image)}


@router.post("/extra-batch-images")
def enlarge_many(body: UpscaleMany, desk: TheDesk) -> dict[str, Any]:
    """The same for several pictures."""
    if len(body.imageList) > desk.config.limits.count:
        raise Refused(f"{len(body.imageList)} pictures; at most {desk.config.limits.count} are accepted here")
    return {"html_info": "", "images": [enlarged(desk, body, str(one.get("data") or "")) for one in body.imageList]}


def enlarged(desk: Desk, body: Upscale, text: str) -> str:
    """One picture, enlarged, as base64."""
    limit = desk.config.limits.pixels
    picture = open_picture(opened(decoded(text, "image", limit))).picture
    name = (body.upscaler_1 or "None").lower()
    if name not in ("none", *WAYS):
        raise Refused(f"upscaler_1 is {body.upscaler_1!r}; accepted: None, Lanczos, Nearest", 422, param="upscaler_1")
    if body.gfpgan_visibility or body.codeformer_visibility:
        raise Refused("faces are not restored here: gfpgan_visibility and codeformer_visibility must be 0", 422)
    if body.resize_mode == 1:
        width, height = body.upscaling_resize_w or picture.width, body.upscaling_resize_h or picture.height
    else:
        factor = float(body.upscaling_resize or 1)
        if not 0 < factor <= 64:
            raise Refused(f"upscaling_resize is {factor!r}; a number up to 64 is accepted", param="upscaling_resize")
        width, height = math.ceil(picture.width * factor), math.ceil(picture.height * factor)
    if not (width > 0 and height > 0 and width * height <= limit):
        raise Refused(f"{width} x {height} pixels; at most {limit:,} are accepted here", param="upscaling_resize")
    if name == "none":
        return base64_of(as_png(picture))
    if body.resize_mode == 1 and body.upscaling_crop:
        return base64_of(as_png(fit(picture, (width, height), "crop")))
    return base64_of(as_png(picture.resize((width, height), WAYS[name])))


@router.get("/memory")
def memory() -> dict[str, Any]:
    """Bytes of the machine and of its accelerator."""
    pages = {name: os.sysconf(name) for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES", "SC_PAGE_SIZE")}
    total, free = (pages[name] * pages["SC_PAGE_SIZE"] for name in ("SC_PHYS_PAGES", "SC_AVPHYS_PAGES"))
    cuda: dict[str, Any] = {"error": "no CUDA device is used"}
    if torch.cuda.is_available():
        there, whole = torch.cuda.mem_get_info()
        cuda = {"system": {"free": there, "used": whole - there, "total": whole}}
    return {"ram": {"free": free, "used": total - free, "total": total}, "cuda": cuda}


@router.post("/interrogate")
@router.post("/create/embedding")
@router.post("/create/hypernetwork")
@router.post("/train/embedding")
@router.post("/train/hypernetwork")
def not_here() -> None:
    """Pictures are not described, and nothing is trained over HTTP. Raises Refused (501)."""
    raise Refused("this is not done over HTTP here; sukashi train trains", 501)
