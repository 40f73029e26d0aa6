"""Where the three APIs hand in what is asked and wait for it: store, queue and worker behind one counter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from sukashi.serve import batching
from sukashi.serve.config import Config
from sukashi.serve.errors import Refused
from sukashi.serve.jobs.asking import wish
from sukashi.serve.jobs.job import Job, Wish
from sukashi.serve.jobs.keeping import Keeper
from sukashi.serve.jobs.live import LAST, Event, Listener, Live, Lives
from sukashi.serve.jobs.queue import Queue, Waiting
from sukashi.serve.jobs.store import Store
from sukashi.serve.logs import log
from sukashi.serve.metrics import Metrics
from sukashi.serve.models import Models
from sukashi.serve.worker import Worker


class Desk:
    """One server's counter."""

    def __init__(self, config: Config, models: Models) -> None:
        self.config, self.models = config, models
        self.store, self.queue, self.lives, self.metrics = Store(config.data), Queue(), Lives(), Metrics()
        self.metrics.queue.set_function(self.queue.length)
        self.metrics.models.set_function(models.bytes)
        keeper = Keeper(self.store, config.keep) if config.keep else None
        told = (self.store, self.queue, self.lives, models, self.metrics)
        self.worker = Worker(*told, rows=config.batch, seconds=config.limits.seconds, keeper=keeper)

    def open(self) -> None:
        """Take up what was left, and begin to draw."""
        for job in self.store.recover():
            self._enqueue(job)
        self.worker.start()

    def close(self) -> None:
        """Stop after the step at hand."""
        self.worker.stop()
        self.store.close()

    # ------------------------------------------------------------------------------------------------ handing in

    def submit(self, values: Mapping[str, Any], **options: Any) -> Job:
        """Take a request: check it, keep it, queue it. Raises Refused; 429 where too much waits already."""
        asked = wish(values, self.models, self.config.limits, **options)
        self._refuse_full(asked)
        job = self.store.add(asked)
        self._enqueue(job)
        more = {"prompt": job.settings["prompt"]} if self.config.log_prompts else {}
        log("asked", id=job.id, api=job.api, task=job.task, model=job.model, pictures=job.count, **more)
        return job

    def _refuse_full(self, asked: Wish) -> None:
        limits = self.config.limits
        for waiting, most, whose, code in (
            (self.queue.length(), limits.queue, "the queue", "queue_full"),
            (self.queue.length(asked.client), limits.waiting, "your share of the queue", "share_full"),
        ):
            if waiting + asked.count > most:
                told = f"{whose} is full: {waiting} pictures wait, at most {most} may"
                raise Refused(told, 429, code=code, waiting=waiting, most=most)

    def _enqueue(self, job: Job) -> None:
        there = {drawn.k for drawn in job.images}
        left = [k for k in range(job.count) if k not in there]
        self.lives.begin(Live(job.id, job.count, job.api, job.client, finished=len(there)))
        key = batching.key(job.task, job.model, job.settings, alone=bool(job.attention or job.options))
        self.queue.put(Waiting(job.id, job.client, left, key))

    def cancel(self, job: str) -> Job:
        """Give a job up: at once where it waits, after the step at hand where it is drawn. Raises KeyError."""
        live = self.lives.get(job)
        if self.store.end(job, "cancelled"):
            if live is not None:
                live.stop = "cancel"
            self.queue.drop(job)
            found = self.store.job(job)
            self.metrics.jobs.labels(found.api, "cancelled").inc()
            log("job", id=job, state="cancelled", api=found.api)
            self.lives.end(job, "cancelled", {})
        return self.store.job(job)

    def forget(self, job: str) -> None:
        """Delete a job with its pictures; one that is not over is given up first. Raises KeyError."""
        self.cancel(job)
        if self.store.forget(job):
            log("deleted", id=job, why="asked for")

    def break_off(self, job: Job, how: str) -> None:
        """A1111's "interrupt" and "skip": the picture at hand is kept as it is; what waits is given up."""
        live = self.lives.get(job.id)
        if live is None:
            return
        live.stop = how
        if how == "interrupt" and live.moment is None and self.store.job(job.id).state == "queued":
            self.cancel(job.id)

    # ------------------------------------------------------------------------------------------------ waiting

    @asynccontextmanager
    async def listening(self, job: str) -> AsyncIterator[Listener | None]:
        """A letter box for a job's events, None where it is over."""
        listener = self.lives.listen(job, asyncio.get_running_loop())
        try:
            yield listener
        finally:
            if listener is not None:
                self.lives.leave(job, listener)

    async def events(self, job: str) -> AsyncIterator[Event]:
        """What happens to a job from now on, to its last event, which is there in any case."""
        async with self.listening(job) as listener:
            while listener is not None:
                event = await listener.get()
                yield event
                if event.name in LAST:
                    return
        found = await run_in_threadpool(self.store.find, job)
        if found is None:  # deleted meanwhile
            yield Event("cancelled", {})
            return
        data = {"done": found.told(), "failed": {"error": found.error, "status": 500}}.get(found.state, {})
        yield Event(found.state, data)

    async def finished(self, job: str, request: Request) -> Job:
        """The job when it is done. Raises Refused where it failed; a client that goes away cancels it."""
        async with while_there(request, lambda: self.cancel(job)):
            async for event in self.events(job):
                if event.name == "failed":
                    raise Refused(str(event.data["error"]), int(event.data.get("status", 500)))
        found = await run_in_threadpool(self.store.find, job)
        if found is None:
            raise Refused("the job was deleted while it was waited for", 404)
        return found


@asynccontextmanager
async def while_there(request: Request, gone: Any) -> AsyncIterator[None]:
    """Within it, a client that hangs up has ``gone`` called (in a thread)."""

    async def listen() -> None:
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                await run_in_threadpool(gone)
                return

    task = asyncio.create_task(listen())
    try:
        yield
    finally:
        task.cancel()


def desk_of(request: Request) -> Desk:
    """The desk of the server that was called."""
    desk: Desk = request.app.state.desk
    return desk
