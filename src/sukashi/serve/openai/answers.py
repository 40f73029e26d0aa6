"""What the images API answers, whole or as a stream."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from sukashi.serve import sse
from sukashi.serve.desk import Desk, while_there
from sukashi.serve.errors import Refused, shaped
from sukashi.serve.jobs.job import Job
from sukashi.serve.jobs.live import Moment
from sukashi.serve.openai.fields import Generate
from sukashi.serve.pictures import as_format, as_png, base64_of
from sukashi.serve.previews import picture


async def answer(desk: Desk, job: Job, body: Generate, request: Request, kind: str) -> Response | dict[str, Any]:
    """The finished pictures, or with ``stream`` events; ``kind`` is "image_generation" or "image_edit"."""
    if body.stream:
        return sse.stream(streamed(desk, job, body, request, kind))
    done = await desk.finished(job.id, request)
    if done.state != "done":
        raise Refused(done.error or "the job was cancelled", 500)
    return await run_in_threadpool(whole, desk, done, body, request)


def facts(job: Job, body: Generate) -> dict[str, Any]:
    """What the API says of the pictures beside the pictures."""
    shown = job.shown
    size = f"{shown['width']}x{shown['height']}" if shown["width"] else "auto"
    quality = body.quality if body.quality in ("low", "medium", "high") else "auto"
    return {"size": size, "quality": quality, "background": "opaque", "output_format": body.output_format or "png"}


def whole(desk: Desk, job: Job, body: Generate, request: Request) -> dict[str, Any]:
    """The answer without a stream."""
    asked = body.response_format or ("url" if (body.model or "").startswith("dall-e") else "b64_json")
    data: list[dict[str, Any]] = []
    for drawn in job.images:
        if asked == "url":
            data.append({"url": f"{request.base_url}api/jobs/{job.id}/images/{drawn.k}.png", "seed": drawn.seed})
        else:
            data.append({"b64_json": encoded(desk, job, drawn.k, body), "seed": drawn.seed})
    return {"created": int(job.created), "data": data, **facts(job, body), "usage": usage()}


def usage() -> dict[str, Any]:
    """Nothing is charged by tokens here."""
    details = {"text_tokens": 0, "image_tokens": 0}
    return {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0, "input_tokens_details": details}


def encoded(desk: Desk, job: Job, k: int, body: Generate) -> str:
    """Picture k in the format asked for, as base64."""
    data = desk.store.files.picture(job.id, k).read_bytes()
    kind = body.output_format or "png"
    quality = body.output_compression if kind != "png" else None
    return base64_of(as_format(data, kind, quality))


async def streamed(desk: Desk, job: Job, body: Generate, request: Request, kind: str) -> AsyncIterator[bytes]:
    """``partial_images`` pictures that the model expects on its way, evenly spread, and each finished one."""
    wanted, sent = body.partial_images or 0, dict[int, int]()
    async with while_there(request, lambda: desk.cancel(job.id)):
        async for event in desk.events(job.id):
            moment = event.moment
            if moment is not None:
                count = sent.get(moment.k, 0)
                if count < wanted and moment.i * (wanted + 1) >= moment.n * (count + 1) and moment.i < moment.n:
                    sent[moment.k] = count + 1
                    image = base64_of(await run_in_threadpool(partial, moment, body))
                    told = {"b64_json": image, "partial_image_index": count, **facts(job, body)}
                    yield typed(f"{kind}.partial_image", told)
            elif event.name == "image":
                done = await run_in_threadpool(desk.store.job, job.id)
                image = await run_in_threadpool(encoded, desk, done, event.data["k"], body)
                yield typed(f"{kind}.completed", {"b64_json": image, **facts(done, body), "usage": usage()})
            elif event.name in ("failed", "cancelled"):
                message = str(event.data.get("error") or "the job was cancelled")
                yield sse.line("error", shaped("/v1/", int(event.data.get("status", 500)), message))


def typed(name: str, data: dict[str, Any]) -> bytes:
    """An event as OpenAI sends it: its name is in the data, too."""
    return sse.line(name, {"type": name, "created_at": int(time.time()), **data})


def partial(moment: Moment, body: Generate) -> bytes:
    """The expected picture of a moment, decoded fully, in the format asked for."""
    return as_format(as_png(picture(moment, "vae")), body.output_format or "png")
