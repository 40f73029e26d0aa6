"""Files that are written behind the drawing: while the next picture is made, the last one is encoded and saved."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from sukashi.diffusion.types import Step
    from sukashi.run import Run

T = TypeVar("T")
WAITING = 4  # results at most that are drawn and not yet written


class Writing(Generic[T]):
    """One thread that does one job after another; what came of each is told in the caller's thread, in their order.

    ``tell`` is called with what a job returned: at the next ``told()``, or when the ``with`` block ends, which waits
    for all jobs. An error of a job is raised there, and no later job is begun. Where the block itself ends by an error,
    what is already drawn is written first; the error of a job is then only printed.
    """

    def __init__(self, tell: Callable[[T], object]) -> None:
        self.tell, self.jobs = tell, deque[Future[T]]()
        self.thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="writing")

    def put(self, job: Callable[[], T]) -> None:
        """Do ``job`` when those before it are done; waits where too many wait already."""
        while len(self.jobs) >= WAITING:
            self.tell(self.jobs.popleft().result())
        self.jobs.append(self.thread.submit(job))

    def told(self) -> None:
        """Tell what is done by now."""
        while self.jobs and self.jobs[0].done():
            self.tell(self.jobs.popleft().result())

    def between(self, show: Callable[[Run], Iterable[Step]], clear: Callable[[], object]) -> Callable[..., Any]:
        """``show``, which iterates a run, with ``told`` between its steps; ``clear`` makes room on the terminal."""

        def shown(run: Run) -> Iterator[Step]:
            for step in show(run):
                if self.jobs and self.jobs[0].done():
                    clear()
                    self.told()
                yield step

        return shown

    def __enter__(self) -> Writing[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            while self.jobs:
                self.tell(self.jobs.popleft().result())
        except Exception as problem:
            if error is None:
                raise
            print(f"sukashi: {problem}", file=sys.stderr)
        finally:
            self.thread.shutdown(cancel_futures=True)
