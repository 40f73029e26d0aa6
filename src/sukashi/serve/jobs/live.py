"""What happens to a job while the server runs: the step it is at, who listens, and whether it is to stop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from sukashi.pipeline import Pipeline

LAST = ("done", "failed", "cancelled")


@dataclass(frozen=True)
class Moment:
    """One step of one picture: step i of n, and the clean latent (1, C, h, w) that the model expects."""

    i: int
    n: int
    k: int
    x0: Tensor = field(repr=False)
    pipe: Pipeline = field(repr=False)
    seconds: float = 0.0  # since the picture was begun
    words: dict[str, Any] | None = field(default=None, repr=False)  # their maps, where they were asked for


@dataclass(frozen=True)
class Event:
    """Something that happened: its name, its JSON values, and of a step the moment itself."""

    name: str
    data: dict[str, Any]
    moment: Moment | None = None


class Listener:
    """A letter box: any thread puts events in, one coroutine takes them out. Of steps only the latest is kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.woken, self.lock = loop, asyncio.Event(), threading.Lock()
        self.events: deque[Event] = deque()

    def put(self, event: Event) -> None:
        """Never waits, whoever reads."""
        with self.lock:
            if event.name in ("step", "queued") and self.events and self.events[-1].name == event.name:
                self.events[-1] = event
            else:
                self.events.append(event)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
            self.loop.call_soon_threadsafe(self.woken.set)

    async def get(self) -> Event:
        """The next event."""
        while True:
            with self.lock:
                if self.events:
                    return self.events.popleft()
                self.woken.clear()
            await self.woken.wait()


@dataclass
class Live:
    """One job."""

    id: str
    count: int
    api: str = "jobs"
    client: str = ""
    stop: str | None = None  # "cancel", "interrupt" (this picture as it is, no more), "skip" (this one as it is)
    moment: Moment | None = None
    finished: int = 0  # pictures
    listeners: list[Listener] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    shown: dict[str, tuple[Moment, str]] = field(default_factory=dict)  # previews by their kind
    showing: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, name: str, data: dict[str, Any], moment: Moment | None = None) -> None:
        """Something happened."""
        with self.lock:
            listeners = list(self.listeners)
        for listener in listeners:
            listener.put(Event(name, data, moment))

    def step(self, moment: Moment) -> None:
        """A step was made."""
        self.moment = moment
        data = {"i": moment.i, "n": moment.n, "k": moment.k, "count": self.count, "seconds": round(moment.seconds, 3)}
        self.tell("step", data, moment)

    def progress(self) -> float:
        """How much is done, 0..1."""
        moment = self.moment
        here = moment.i / max(moment.n, 1) if moment and moment.k >= self.finished else 0.0
        return min(1.0, (self.finished + here) / max(1, self.count))


class Lives:
    """All jobs that are not over."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.jobs: dict[str, Live] = {}

    def begin(self, live: Live) -> Live:
        """A job that is taken; the one that is there already where it was taken before."""
        with self.lock:
            return self.jobs.setdefault(live.id, live)

    def get(self, job: str) -> Live | None:
        """A job, if it is not over."""
        with self.lock:
            return self.jobs.get(job)

    def end(self, job: str, name: str, data: dict[str, Any]) -> None:
        """The last event of a job."""
        with self.lock:
            live = self.jobs.pop(job, None)
        if live is not None:
            live.tell(name, data)

    def listen(self, job: str, loop: asyncio.AbstractEventLoop) -> Listener | None:
        """A letter box for what happens to a job from now on; None where it is over."""
        with self.lock:
            live = self.jobs.get(job)
            if live is None:
                return None
            listener = Listener(loop)
            with live.lock:
                live.listeners.append(listener)
            return listener

    def leave(self, job: str, listener: Listener) -> None:
        """Nobody reads this box any more."""
        live = self.get(job)
        if live is not None:
            with live.lock, contextlib.suppress(ValueError):
                live.listeners.remove(listener)
