"""txt2img and img2img, their progress, interrupt and skip."""

from __future__ import annotations

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from sukashi.serve.a1111.answers import answer
from sukashi.serve.a1111.asking import Asked, from_picture, from_words
from sukashi.serve.a1111.controlnet import add_controls
from sukashi.serve.a1111.fields import Drawing, Img2Img, Txt2Img
from sukashi.serve.a1111.options import Chosen, chosen
from sukashi.serve.desk import Desk, desk_of
from sukashi.serve.errors import Refused
from sukashi.serve.jobs.job import OPEN, Job
from sukashi.serve.jobs.live import Live
from sukashi.serve.own.jobs import TheDesk, client_of
from sukashi.serve.pictures import as_png, base64_of
from sukashi.serve.previews import picture

router = APIRouter(prefix="/sdapi/v1", tags=["a1111"])


@router.post("/txt2img")
async def txt2img(body: Txt2Img, request: Request) -> dict[str, Any]:
    """Text to image; the answer comes when the pictures are there."""
    return await drawn(request, body, lambda how, pixels: from_words(body, how))


@router.post("/img2img")
async def img2img(body: Img2Img, request: Request) -> dict[str, Any]:
    """Image to image, and with a mask inpainting."""
    return await drawn(request, body, lambda how, pixels: from_picture(body, how, pixels))


async def drawn(request: Request, body: Drawing, read: Any) -> dict[str, Any]:
    """Hand in, wait, answer."""
    desk = desk_of(request)

    def submit() -> tuple[Job, Chosen, Asked]:
        how = chosen(desk, body.override_settings or {})
        asked: Asked = read(how, desk.config.limits.pixels)
        add_controls(asked, body.alwayson_scripts or {}, desk.config.limits.pixels)
        who: dict[str, Any] = {"api": "a1111", "client": client_of(request), "controls": asked.controls}
        job = desk.submit(asked.values, task=asked.task, model=how.model, inputs=asked.inputs, **who)
        return job, how, asked

    job, how, asked = await run_in_threadpool(submit)
    job = await desk.finished(job.id, request)
    if job.state == "failed":
        raise Refused(job.error or "the job failed", 500)
    return await run_in_threadpool(answer, desk, job, body, how.format, asked.notes)


def at_hand(desk: Desk, client: str) -> tuple[Job, Live] | None:
    """The caller's job that is being drawn, else the first of its that waits; of those asked for over this API."""
    waiting: tuple[Job, Live] | None = None
    for live in list(desk.lives.jobs.values()):
        job = desk.store.find(live.id) if (live.api, live.client) == ("a1111", client) else None
        if job is None or job.state not in OPEN:
            continue
        if job.state == "running":
            return job, live
        waiting = waiting or (job, live)
    return waiting


@router.get("/progress")
def progress(request: Request, desk: TheDesk, skip_current_image: bool = False) -> dict[str, Any]:
    """How far the caller's job is, with the picture that is expected at this step."""
    found = at_hand(desk, client_of(request))
    if found is None:
        return told(0.0, 0.0, state(None, None), None, None, None)
    job, live = found
    done, moment = live.progress(), live.moment
    left = (time.time() - (job.started or time.time())) * (1 - done) / done if done else 0.0
    shown = None
    if moment is not None and not skip_current_image:
        with live.showing:
            shown = base64_of(as_png(picture(moment)))
    return told(max(done, 0.001), left, state(job, live), shown, "Waiting..." if moment is None else None, job.id)


def told(
    progress: float, eta: float, state: dict[str, Any], shown: str | None, text: str | None, task: str | None
) -> dict[str, Any]:
    """The answer of /progress."""
    facts = {"progress": progress, "eta_relative": round(eta, 3), "state": state, "current_image": shown}
    return {**facts, "textinfo": text, "current_task": task}


def state(job: Job | None, live: Live | None) -> dict[str, Any]:
    """A1111's ``shared.state``; idle, every number is 0."""
    moment = live.moment if live else None
    stop = live.stop if live else None
    started = time.strftime("%Y%m%d%H%M%S", time.localtime(job.started)) if job and job.started else "0"
    return {
        "skipped": stop == "skip",
        "interrupted": stop in ("interrupt", "cancel"),
        "stopping_generation": False,
        "job": "scripts_img2img" if job and job.inputs else "scripts_txt2img" if job else "",
        "job_count": job.count if job else 0,
        "job_timestamp": started,
        "job_no": live.finished if live else 0,
        "sampling_step": moment.i if moment else 0,
        "sampling_steps": moment.n if moment else 0,
    }


@router.post("/interrupt")
def interrupt(request: Request, desk: TheDesk) -> dict[str, Any]:
    """End the caller's job: the picture at hand is answered as it is, the others are not begun."""
    found = at_hand(desk, client_of(request))
    if found is not None:
        desk.break_off(found[0], "interrupt")
    return {}


@router.post("/skip")
def skip(request: Request, desk: TheDesk) -> dict[str, Any]:
    """Leave the picture at hand as it is, and begin the next."""
    found = at_hand(desk, client_of(request))
    if found is not None and found[0].state == "running":
        desk.break_off(found[0], "skip")
    return {}


@router.post("/stop-generating")
def stop_generating(request: Request, desk: TheDesk) -> dict[str, Any]:
    """As interrupt."""
    return interrupt(request, desk)
