"""Generations, models, and what edits share with them."""

from __future__ import annotations

import re
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from sukashi.serve.desk import Desk, desk_of
from sukashi.serve.errors import Refused
from sukashi.serve.jobs.job import Job
from sukashi.serve.openai.answers import answer
from sukashi.serve.openai.fields import Generate
from sukashi.serve.own.jobs import TheDesk, client_of

router = APIRouter(prefix="/v1", tags=["openai"])
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})", re.ASCII)
THEIRS = re.compile(r"(dall-e|gpt-image|chatgpt-image)[\w.-]*", re.ASCII)  # names that clients have built in
STEPS = {"low": 0.5, "high": 2.0, "hd": 2.0}  # times the model's own


@router.post("/images/generations", response_model=None)
async def generations(body: Generate, request: Request) -> Response | dict[str, Any]:
    """Draw for a prompt."""
    desk = desk_of(request)
    job = await run_in_threadpool(submit, desk, body, request, "text-to-image", {}, {})
    return await answer(desk, job, body, request, "image_generation")


def submit(
    desk: Desk, body: Generate, request: Request, task: str, values: dict[str, Any], inputs: dict[str, bytes]
) -> Job:
    """Hand in a request. Raises Refused."""
    if body.background == "transparent":
        raise Refused("background is 'transparent'; pictures here are opaque", 400, param="background")
    model = None if body.model is None or THEIRS.fullmatch(body.model) else body.model
    name = desk.models.find(model).name
    width, height = size_of(body.size)
    settings: dict[str, Any] = {"prompt": body.prompt, "count": body.n or 1, "width": width, "height": height}
    settings |= body.extras()
    if "steps" not in settings and (body.quality or "auto") in STEPS:
        own = desk.models.get(name).defaults.get("steps") or 30
        settings["steps"] = min(desk.config.limits.steps, max(1, round(own * STEPS[body.quality or ""])))
    who = {"api": "openai", "client": client_of(request)}
    return desk.submit({**settings, **values}, task=task, model=name, inputs=inputs, **who)


def size_of(size: str | None) -> tuple[int | None, int | None]:
    """512x768 -> (512, 768); "auto" is as the model suggests. Raises Refused."""
    if size in (None, "", "auto"):
        return None, None
    match = _SIZE.fullmatch(size or "")
    if match is None or 0 in (int(match[1]), int(match[2])):
        raise Refused(f"size is {str(size)[:40]!r}; WIDTHxHEIGHT or 'auto' is accepted", 400, param="size")
    return int(match[1]), int(match[2])


@router.get("/models")
def models(desk: TheDesk) -> dict[str, Any]:
    """Every model that may be asked for."""
    return {"object": "list", "data": [told(name) for name in desk.models.offers]}


@router.get("/models/{name:path}")
def model(name: str, desk: TheDesk) -> dict[str, Any]:
    """One of them."""
    return told(desk.models.find(name).name)


def told(name: str) -> dict[str, Any]:
    """A model as the API describes it."""
    return {"id": name, "object": "model", "created": 0, "owned_by": "sukashi"}
