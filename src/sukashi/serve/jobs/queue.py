"""Whose turn it is: clients take turns picture by picture; what fits into the same rows comes along."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field


@dataclass
class Waiting:
    """A job in the queue: the pictures still to be begun, and what batches with it (None: nothing does)."""

    id: str
    client: str
    left: list[int]
    key: Hashable | None = None


@dataclass(frozen=True)
class Unit:
    """One picture to draw."""

    job: str
    k: int


@dataclass
class Queue:
    """Jobs that wait, by client. Thread-safe."""

    clients: OrderedDict[str, list[Waiting]] = field(default_factory=OrderedDict)
    changed: threading.Condition = field(default_factory=threading.Condition)
    errands: deque[Callable[[], None]] = field(default_factory=deque)
    closed: bool = False

    def errand(self, errand: Callable[[], None]) -> None:
        """Something else for the worker's thread to do, before the next picture."""
        with self.changed:
            self.errands.append(errand)
            self.changed.notify()

    def errand_taken(self) -> Callable[[], None] | None:
        """The next errand."""
        with self.changed:
            return self.errands.popleft() if self.errands else None

    def put(self, waiting: Waiting) -> None:
        """A job at the end of its client's line."""
        with self.changed:
            self.clients.setdefault(waiting.client, []).append(waiting)
            self.changed.notify()

    def take(self, rows: int, timeout: float | None = None) -> list[Unit]:
        """The next picture and up to ``rows`` - 1 that batch with it; [] after the time, for an errand, at the end."""
        with self.changed:
            self.changed.wait_for(lambda: self.closed or self.errands or any(self.clients.values()), timeout)
            if self.closed or not any(self.clients.values()):
                return []
            first = next(line[0] for line in self.clients.values() if line)
            units = [self._pick(first)]
            while len(units) < rows and first.key is not None:
                other = next((w for w in self._in_turn() if w.key == first.key), None)
                if other is None:
                    break
                units.append(self._pick(other))
            return units

    def _in_turn(self) -> Iterator[Waiting]:
        for line in self.clients.values():
            yield from line

    def _pick(self, waiting: Waiting) -> Unit:
        """The next picture of a job; its client goes to the end of the round."""
        unit = Unit(waiting.id, waiting.left.pop(0))
        line = self.clients[waiting.client]
        if not waiting.left:
            line.remove(waiting)
        self.clients.move_to_end(waiting.client)
        if not line:
            del self.clients[waiting.client]
        return unit

    def drop(self, job: str) -> None:
        """Take a job out."""
        with self.changed:
            for client, line in list(self.clients.items()):
                line[:] = [w for w in line if w.id != job]
                if not line:
                    del self.clients[client]
            self.changed.notify()

    def ahead(self, job: str) -> int:
        """Pictures that come before the next one of a job, if nobody else comes."""
        with self.changed:
            lines = {client: [(w.id, len(w.left)) for w in line] for client, line in self.clients.items()}
        mine = next((c for c, line in lines.items() if any(j == job for j, _ in line)), None)
        if mine is None:
            return 0
        before = 0
        for j, n in lines[mine]:
            if j == job:
                break
            before += n
        order = list(lines)
        rank = order.index(mine)
        others = ((order.index(c), sum(n for _, n in line)) for c, line in lines.items() if c != mine)
        return before + sum(min(n, before + (place < rank)) for place, n in others)

    def length(self, client: str | None = None) -> int:
        """Pictures that wait, of one client or of all."""
        with self.changed:
            lines = self.clients.values() if client is None else [self.clients.get(client, [])]
            return sum(len(w.left) for line in lines for w in line)

    def close(self) -> None:
        """Let nobody wait any longer."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()
