"""The one worker: takes pictures in turns, draws them, keeps them. All networks run in its thread."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.serve import batching
from sukashi.serve.controls import controlled
from sukashi.serve.drawing import Cancelled, TooLong, Watch, as_png, asked_of, draw, facts_of
from sukashi.serve.jobs.files import write_whole
from sukashi.serve.jobs.job import Job
from sukashi.serve.jobs.keeping import Keeper
from sukashi.serve.jobs.live import Live, Lives
from sukashi.serve.jobs.queue import Queue, Unit
from sukashi.serve.jobs.store import Store
from sukashi.serve.logs import log
from sukashi.serve.metrics import Metrics
from sukashi.serve.models import Models
from sukashi.serve.sentences import code_of, sentence_of
from sukashi.serve.watching import draw_watched


@dataclass
class Worker:
    """Draws what the queue gives it until it is stopped."""

    store: Store
    queue: Queue
    lives: Lives
    models: Models
    metrics: Metrics
    rows: int = 1
    seconds: float = 600.0  # for one picture
    keeper: Keeper | None = None
    ready: threading.Event = field(default_factory=threading.Event)  # the default model is loaded
    broken: str | None = None  # why it could not be
    stopping: bool = False

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self.thread = threading.Thread(target=self.work, name="sukashi-worker", daemon=True)
        self.thread.start()

    def stop(self, timeout: float = 10.0) -> None:
        """End after the step at hand. What is being drawn is queued again by the next start."""
        self.stopping = True
        self.queue.close()
        for live in list(self.lives.jobs.values()):
            live.stop = "cancel"
        self.thread.join(timeout)

    def work(self) -> None:
        """Load the default model, then draw."""
        try:
            self.models.get(self.models.default)
            self.ready.set()
        except Exception as error:
            self.broken = sentence_of(error)
            log("model_failed", model=self.models.default, error=self.broken)
        while not self.stopping:
            if (errand := self.queue.errand_taken()) is not None:
                errand()
            units = self.queue.take(self.rows, timeout=1.0)
            if units:
                self.tell_waiting()
                self.draw(units)
            if self.keeper is not None:
                self.keeper.sweep()

    def tell_waiting(self) -> None:
        """Those who listen to a waiting job hear where it stands now."""
        for live in list(self.lives.jobs.values()):
            if live.listeners and live.moment is None:
                live.tell("queued", {"ahead": self.queue.ahead(live.id)})

    def draw(self, units: Sequence[Unit]) -> None:
        """Draw pictures that were taken together: those that fit, in one batch; the others one by one."""
        jobs = [(job, unit.k) for unit in units if (job := self.begun(unit)) is not None]
        if not jobs:
            return
        try:
            pipe = self.models.get(jobs[0][0].model)
            together = [(job, k) for job, k in jobs if self.rows > 1 and self.batches(pipe, job, k)]
        except Exception as error:
            for job, _ in jobs:
                self.fail(job, error)
            return
        if together:
            self.draw_together(pipe, together)
        for job, k in jobs:
            if (job, k) not in together:
                self.draw_alone(pipe, job, k)

    def watch_again(self, job: Job, k: int, done: Future[None]) -> None:
        """Draw a finished picture again to see how it came about; its view is a file when ``done``."""
        try:
            if not self.store.files.view(job.id, k).is_file():
                pipe = controlled(self.models.get(job.model), self.models, job, self.store)
                draw_watched(pipe, job, k, self.store)
            if self.store.find(job.id) is None:  # deleted meanwhile
                self.store.files.remove(job.id)
            done.set_result(None)
        except Exception as error:
            done.set_exception(error)

    def begun(self, unit: Unit) -> Job | None:
        """The job of a picture, entered as running; None where nobody wants it any more."""
        job = self.store.find(unit.job) if self.store.start(unit.job) else None
        live = self.lives.get(unit.job)
        if job is not None and job.images and live is not None and live.stop == "interrupt":  # between two pictures
            self.queue.drop(job.id)
            if self.store.end(job.id, "done"):
                self.over(job, "done", self.store.job(job.id).told())
            return None
        return job

    def batches(self, pipe: Pipeline, job: Job, k: int) -> bool:
        """Whether a picture is one that the batch rule is about."""
        alone = bool(job.attention or job.options)
        alike = batching.key(job.task, job.model, job.settings, alone=alone) is not None
        return alike and batching.fits(pipe, asked_of(job, k))

    def draw_alone(self, pipe: Pipeline, job: Job, k: int) -> None:
        """One picture by its task."""
        live = self.lives.begin(Live(job.id, job.count, job.api, job.client))
        watch = Watch(live, pipe, k, self.seconds, self.metrics.step, job.attention)
        self.metrics.rows.observe(1)
        try:
            how = draw_watched if job.attention else draw
            result = how(controlled(pipe, self.models, job, self.store), job, k, self.store, watch)
            self.keep(pipe, job, k, result, watch)
        except Exception as error:
            self.fail(job, error)

    def draw_together(self, pipe: Pipeline, jobs: Sequence[tuple[Job, int]]) -> None:
        """Several pictures in the rows of one batch; who cancels leaves its row empty."""
        self.metrics.rows.observe(len(jobs))
        began = time.perf_counter()
        watches = {
            n: Watch(self.lives.begin(Live(j.id, j.count, j.api, j.client)), pipe, k, self.seconds)
            for n, (j, k) in enumerate(jobs)
        }
        try:
            run = batching.run(pipe, [asked_of(job, k) for job, k in jobs], self.rows)
            x, ended = run.x.clone(), set[int]()
            before = time.monotonic()
            for i, step in enumerate(run, 1):
                self.metrics.step(time.monotonic() - before)
                for n in set(watches) - ended:
                    x0 = step.prediction.x0[n : n + 1]
                    try:
                        done = watches[n].look(i, len(run), x0)
                    except (Cancelled, TooLong) as error:
                        self.fail(jobs[n][0], error)
                        ended.add(n)
                        del watches[n]
                        continue
                    x[n] = x0[0] if done else step.x_next[n]
                    ended |= {n} if done else set()
                if ended >= set(watches):
                    break
                before = time.monotonic()
            left = list(watches)
            while left:
                n = left.pop(0)
                result = batching.finish(pipe, run, x, n, self.rows, began)
                more = any(jobs[m][0].id == jobs[n][0].id for m in left)
                self.keep(pipe, *jobs[n], result, watches.pop(n), rows=self.rows, more=more)
        except Exception as error:
            for n in watches:
                self.fail(jobs[n][0], error)

    def keep(
        self,
        pipe: Pipeline,
        job: Job,
        k: int,
        result: Result,
        watch: Watch,
        *,
        rows: int | None = None,
        more: bool = False,
    ) -> None:
        """File first, then row, then whoever listens; ``more`` pictures of the job come out of the same batch."""
        there = self.store.find(job.id)  # another picture of it may have been entered meanwhile
        if there is None or there.over:
            self.lives.end(job.id, "cancelled", {})
            return
        job = there
        data = as_png(result, self.models.hashes.get(job.model), stopped=watch.stopped, rows=rows)
        path = self.store.files.picture(job.id, k)
        write_whole(path, data)
        drawn, facts = facts_of(result, job, k, stopped=watch.stopped)
        interrupted = watch.live.stop == "interrupt" and not more
        if watch.live.stop == "skip":
            watch.live.stop = None
        kept = self.store.finish_picture(job.id, drawn, facts, last=interrupted)
        if kept is None:
            path.unlink(missing_ok=True)
            return
        self.metrics.pictures.labels(job.api).inc()
        watch.live.finished += 1
        watch.live.tell("image", {"k": k, "url": f"/api/jobs/{job.id}/images/{k}.png", "seed": drawn.seed})
        if kept.over:
            self.queue.drop(job.id)
            self.over(kept, "done", kept.told())

    def fail(self, job: Job, error: Exception) -> None:
        """A job that came to nothing. What was cancelled is entered already, by who cancelled it."""
        if isinstance(error, Cancelled):
            return
        self.queue.drop(job.id)
        text = sentence_of(error)
        status = 504 if isinstance(error, TooLong) else 422 if isinstance(error, ValueError) else 500
        if status == 500:
            log("fault", id=job.id, kind=type(error).__name__, trace=traceback.format_tb(error.__traceback__)[-6:])
        code, values = code_of(error)
        if self.store.end(job.id, "failed", text, code=code, values=values):
            told = {"error": text, "status": status, "code": code, "values": values}
            self.over(job, "failed", told, kind=type(error).__name__)

    def over(self, job: Job, state: str, data: dict[str, Any], **facts: Any) -> None:
        """A job ends: counted, logged, told."""
        self.metrics.jobs.labels(job.api, state).inc()
        log("job", id=job.id, state=state, api=job.api, task=job.task, model=job.model, pictures=job.count, **facts)
        self.lives.end(job.id, state, data)
