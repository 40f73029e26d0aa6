"""How much of what was drawn is kept: everything, unless the owner of the server says otherwise (``--keep``)."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from sukashi.serve.config import Keep
from sukashi.serve.jobs.store import Store
from sukashi.serve.logs import log

SPARED = 60.0  # seconds after its end in which a job stays, so that who asked for it can fetch it
PAUSE = 5.0  # seconds between two looks


@dataclass
class Keeper:
    """Deletes the oldest jobs that are over, with their pictures, beyond ``keep``; each is a line of the log."""

    store: Store
    keep: Keep
    looked: float = field(default=-PAUSE)

    def sweep(self, now: float | None = None) -> int:
        """Delete what is too much, at most every few seconds; how many jobs."""
        if not self.keep or time.monotonic() - self.looked < PAUSE:
            return 0
        self.looked = time.monotonic()
        gone = 0
        for job, why in self.surplus(time.time() if now is None else now):
            if self.store.forget(job):
                log("deleted", id=job, why=why)
                gone += 1
        return gone

    def surplus(self, now: float) -> list[tuple[str, str]]:
        """The jobs that are too many or whose files are, with the option that says so, oldest last."""
        sizes = self.store.files.sizes() if self.keep.bytes is not None else Counter[str]()
        found, taken = list[tuple[str, str]](), 0
        for n, (job, finished) in enumerate(self.store.over(), 1):
            taken += sizes[job]
            many = self.keep.jobs is not None and n > self.keep.jobs
            large = self.keep.bytes is not None and taken > self.keep.bytes
            if (many or large) and finished < now - SPARED:
                found.append((job, f"--keep {self.keep.jobs if many else f'{self.keep.bytes / 1e9:g}GB'}"))  # type: ignore[operator]
        return found
