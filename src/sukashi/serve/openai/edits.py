"""Edits and variations: multipart requests that bring a picture.

A mask repaints where it is transparent; without one the picture's own transparency is the mask; without any, the whole
picture is drawn anew for the prompt (``strength``, 0.75 unless it is given).
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.responses import Response

from sukashi.opening import open_picture
from sukashi.serve.desk import Desk, desk_of
from sukashi.serve.errors import Refused, sentence
from sukashi.serve.jobs.job import Job
from sukashi.serve.openai.answers import answer
from sukashi.serve.openai.fields import Generate
from sukashi.serve.openai.images import submit
from sukashi.serve.pictures import check, opened

router = APIRouter(prefix="/v1", tags=["openai"])
STRENGTH = 0.75
PICTURES = ("image", "image[]", "mask")


def form_of(*pictures: str) -> dict[str, Any]:
    """What the OpenAPI document says of a multipart request."""
    fields = Generate.model_json_schema()["properties"]
    files = {name: {"type": "string", "format": "binary"} for name in pictures}
    schema = {"type": "object", "properties": {**files, **fields}, "required": ["image"]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post("/images/edits", response_model=None, openapi_extra=form_of("image", "mask"))
async def edits(request: Request) -> Response | dict[str, Any]:
    """Repaint a part of a picture, or draw all of it anew."""
    desk, form = desk_of(request), await request.form(max_files=20, max_fields=100)
    body, files = fields_of(form), await files_of(form)

    def ask() -> Job:
        inputs, task, values = beginning(desk, body, files)
        return submit(desk, body, request, task, values, inputs)

    return await answer(desk, await run_in_threadpool(ask), body, request, "image_edit")


@router.post("/images/variations", response_model=None, openapi_extra=form_of("image"))
async def variations(request: Request) -> Response | dict[str, Any]:
    """Draw a picture anew without words."""
    desk, form = desk_of(request), await request.form(max_files=20, max_fields=100)
    body, files = fields_of(form, prompt=""), await files_of(form)
    files.pop("mask", None)

    def ask() -> Job:
        inputs = {"picture": picture(desk, files)}
        strength = STRENGTH if body.strength is None else body.strength
        return submit(desk, body, request, "image-to-image", {"strength": strength}, inputs)

    return await answer(desk, await run_in_threadpool(ask), body, request, "image_edit")


def fields_of(form: FormData, **given: Any) -> Generate:
    """The fields that are not files. Raises Refused."""
    said = {name: value for name, value in form.multi_items() if isinstance(value, str) and name not in PICTURES}
    try:
        return Generate.model_validate({**{name: value for name, value in said.items() if value != ""}, **given})
    except ValidationError as error:
        where = error.errors()[0].get("loc") or (None,)
        raise Refused(sentence(error.errors()), 400, param=str(where[0])) from None


async def files_of(form: FormData) -> dict[str, list[bytes]]:
    """The files by their field; ``image[]`` is ``image``."""
    found: dict[str, list[bytes]] = {}
    for name, part in form.multi_items():
        if name in PICTURES and isinstance(part, UploadFile):
            found.setdefault(name.removesuffix("[]"), []).append(await part.read())
        elif name in PICTURES:
            raise Refused(f"{name} is text; a file is needed", 400, param=name)
    return found


def picture(desk: Desk, files: dict[str, list[bytes]]) -> bytes:
    """The one picture. Raises Refused."""
    images = files.get("image", [])
    if len(images) != 1:
        raise Refused(f"there are {len(images)} images; one is needed", 400, param="image")
    check(images[0], "image", desk.config.limits.pixels)
    return images[0]


def beginning(
    desk: Desk, body: Generate, files: dict[str, list[bytes]]
) -> tuple[dict[str, bytes], str, dict[str, Any]]:
    """Inputs, task and its options: inpainting where a mask or transparency says what to repaint."""
    image = picture(desk, files)
    masks = files.get("mask", [])
    if len(masks) > 1:
        raise Refused(f"there are {len(masks)} masks; one is accepted", 400, param="mask")
    if masks:
        check(masks[0], "mask", desk.config.limits.pixels)
        if open_picture(opened(masks[0]), "mask").alpha is None:
            raise Refused(
                "the mask has no transparent pixel; what is transparent in it is repainted", 400, param="mask"
            )
        values = {"repaint": "transparent", "strength": 1.0 if body.strength is None else body.strength}
        return {"picture": image, "mask": masks[0]}, "inpaint", values
    if open_picture(opened(image), "image").alpha is not None:
        return {"picture": image}, "inpaint", {"strength": 1.0 if body.strength is None else body.strength}
    return {"picture": image}, "image-to-image", {"strength": STRENGTH if body.strength is None else body.strength}
