"""/api/jobs/{id}/see: everything about a finished run, drawn again to be watched, and kept for the next who asks."""

from __future__ import annotations

import asyncio
import gzip
from concurrent.futures import Future
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from sukashi.serve.desk import Desk, desk_of
from sukashi.serve.errors import Refused
from sukashi.serve.jobs.job import Job
from sukashi.serve.own.jobs import found
from sukashi.serve.sentences import sentence_of

router = APIRouter(prefix="/api", tags=["jobs"])


@router.get("/jobs/{job}/see", response_class=Response)
async def see(job: str, request: Request, k: Annotated[int, Query(ge=0, le=9999)] = 0) -> Response:
    """The view of picture k, version 1 (``sukashi.watch.export``)."""
    desk = desk_of(request)
    there = await run_in_threadpool(found, desk, job)
    if k not in {drawn.k for drawn in there.images}:
        raise Refused(f"picture {k} of this job is not there: it is {there.state}", 404 if there.over else 409)
    path = desk.store.files.view(job, k)
    if not await run_in_threadpool(path.is_file):
        await watched(desk, there, k)
    data = await run_in_threadpool(path.read_bytes)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(await run_in_threadpool(gzip.decompress, data), media_type="application/json")
    return Response(
        data, media_type="application/json", headers={"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    )


async def watched(desk: Desk, job: Job, k: int) -> None:
    """Have the worker draw a picture again and keep what it saw. Raises Refused where that fails."""
    done: Future[None] = Future()
    desk.queue.errand(lambda: desk.worker.watch_again(job, k, done))
    try:
        await asyncio.wrap_future(done)
    except (ValueError, ArithmeticError, OSError, RuntimeError, MemoryError, IndexError) as error:
        told = sentence_of(error)
        raise Refused(f"the run cannot be watched: {told}", code="not_watched", text=told) from error
