"""/api/jobs: ask, look, follow, cancel, fetch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from sukashi.serve import sse
from sukashi.serve.desk import Desk, desk_of
from sukashi.serve.errors import Refused
from sukashi.serve.jobs.asking import OPTIONS
from sukashi.serve.jobs.job import Job
from sukashi.serve.pictures import decoded
from sukashi.serve.previews import shown
from sukashi.settings import Settings

router = APIRouter(prefix="/api", tags=["jobs"])
TheDesk = Annotated[Desk, Depends(desk_of)]
GONE = ("there is no job of that id", 404)
WORDS = 32  # that one job may ask the maps of
_FIELDS = {name: {"default": value} for name, value in Settings().to_dict().items()}
_MORE: dict[str, Any] = {name: {} for options in OPTIONS.values() for name in options}


class ControlBody(BaseModel):
    """A picture that steers: a control network of this machine by its name, and what it looks at."""

    model_config = ConfigDict(extra="forbid")
    model: str
    picture: str = Field(description="data URL or base64")
    scale: float | None = None
    start: float | None = None
    stop: float | None = None
    guess: bool | None = None
    fit: str | None = None


class JobBody(BaseModel):
    """A request; beside these, the fields of ``Settings`` and the options of the task."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"properties": {**_MORE, **_FIELDS}})
    task: str = "text-to-image"
    model: str | None = None
    picture: str | None = Field(None, description="data URL or base64")
    mask: str | None = Field(None, description="data URL or base64")
    controls: list[ControlBody] | None = None
    attention: bool | list[str] = Field(False, description="watch the run; words: events tell of these alone")


def client_of(request: Request) -> str:
    """Who asks, as the gate found out."""
    return str(getattr(request.state, "client", ""))


def found(desk: Desk, job: str) -> Job:
    """A job. Raises Refused (404)."""
    there = desk.store.find(job)
    if there is None:
        raise Refused(*GONE, param="id", code="no_job")
    return there


def told(desk: Desk, job: Job) -> dict[str, Any]:
    """A job as JSON, with how many pictures are ahead of it."""
    return job.told(desk.queue.ahead(job.id) if job.state == "queued" else 0)


@router.post("/jobs", status_code=202)
def ask(body: JobBody, request: Request, desk: TheDesk) -> dict[str, Any]:
    """Ask for pictures. The job is kept before this answers."""
    controls = body.controls or []
    given = {"picture": body.picture, "mask": body.mask}
    given |= {f"control{n}": one.picture for n, one in enumerate(controls)}
    pixels = desk.config.limits.pixels
    inputs = {name: decoded(text, name, pixels) for name, text in given.items() if text}
    who: dict[str, Any] = {"api": "jobs", "client": client_of(request), "attention": attention_of(body)}
    who["controls"] = [one.model_dump(exclude={"picture"}) for one in controls]
    job = desk.submit(body.model_extra or {}, task=body.task, model=body.model, inputs=inputs, **who)
    return told(desk, job)


def attention_of(body: JobBody) -> bool | list[str]:
    """What is to be watched. Raises Refused for a word that neither prompt has."""
    if not isinstance(body.attention, list):
        return body.attention
    asked = body.model_extra or {}
    texts = " ".join(str(asked.get(name) or "") for name in ("prompt", "negative_prompt")).casefold()
    if len(body.attention) > WORDS:
        raise Refused(f"attention names {len(body.attention)} words; at most {WORDS} are accepted", param="attention")
    if missing := [word for word in body.attention if not word.strip() or word.casefold() not in texts]:
        told = f"attention names {missing[0][:80]!r}, which is not in the prompt"
        raise Refused(told, param="attention", code="not_in_prompt", word=missing[0][:80])
    return [word.strip() for word in body.attention]


@router.get("/jobs")
def history(
    desk: TheDesk,
    search: str = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 24,
    before: str | None = None,
    state: Literal["queued", "running", "done", "failed", "cancelled"] | None = None,
) -> dict[str, Any]:
    """Jobs, newest first."""
    jobs = desk.store.history(search, limit + 1, before, state)
    return {
        "jobs": [told(desk, job) for job in jobs[:limit]],
        "next": jobs[limit - 1].id if len(jobs) > limit else None,
    }


@router.get("/jobs/{job}")
def one(job: str, desk: TheDesk) -> dict[str, Any]:
    """One job."""
    return told(desk, found(desk, job))


@router.delete("/jobs/{job}")
def cancel(job: str, desk: TheDesk, forget: bool = False) -> dict[str, Any]:
    """Cancel a job; of one that is over nothing changes. With ``forget`` it is deleted with its pictures."""
    there = found(desk, job)
    try:
        if forget:
            desk.forget(job)
            return {**there.told(), "state": "deleted", "images": []}
        return told(desk, desk.cancel(job))
    except KeyError:  # somebody else deleted it meanwhile
        raise Refused(*GONE, param="id", code="no_job") from None


@router.get("/jobs/{job}/images/{name}", response_class=FileResponse)
def image(job: str, name: str, desk: TheDesk) -> Response:
    """Picture k, as ``k.png``."""
    there = found(desk, job)
    k = name.removesuffix(".png")
    if not (name.endswith(".png") and k.isascii() and k.isdigit() and len(k) < 5):
        raise Refused(f"{name[:80]!r} is not a picture's name; 0.png, 1.png ... are", 404)
    if int(k) not in {drawn.k for drawn in there.images}:
        raise Refused(f"picture {int(k)} of this job is not there: it is {there.state}", 404)
    cache = {"Cache-Control": "private, max-age=31536000, immutable"}
    path = desk.store.files.picture(job, int(k))
    if not path.is_file():
        raise Refused(f"the file of picture {int(k)} is not there any more", 404, code="no_image")
    return FileResponse(path, media_type="image/png", headers=cache)


@router.get("/jobs/{job}/events", response_class=Response)
async def events(job: str, desk: TheDesk, previews: Literal["linear", "vae", "no"] = "linear") -> Response:
    """What happens to a job, as server-sent events."""
    await run_in_threadpool(found, desk, job)
    return sse.stream(follow(desk, job, previews))


async def follow(desk: Desk, job: str, previews: str) -> AsyncIterator[bytes]:
    """Where the job is, then every event to its last."""
    live = desk.lives.get(job)
    there = await run_in_threadpool(found, desk, job)
    if live is not None and live.moment is None and not there.over:
        yield sse.line("queued", {"ahead": desk.queue.ahead(job)})
    for drawn in there.images if not there.over else ():
        yield sse.line("image", {"k": drawn.k, "url": f"/api/jobs/{job}/images/{drawn.k}.png", "seed": drawn.seed})
    async for event in desk.events(job):
        data = dict(event.data)
        if event.moment is not None:
            data["preview"] = None
            if live is not None and previews != "no":
                data["preview"] = await run_in_threadpool(shown, live, event.moment, previews)
        if event.name == "done":
            data = (await run_in_threadpool(found, desk, job)).told()
        yield sse.line(event.name, data)
        if event.moment is not None and event.moment.words is not None:
            place = {name: data[name] for name in ("i", "n", "k")}
            yield sse.line("attention", {**place, **event.moment.words})
