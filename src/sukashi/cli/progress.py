"""A bar on the terminal while a picture is made; none where nobody watches."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sukashi.diffusion.types import Step
    from sukashi.run import Run


def watched(label: str = "", *, quiet: bool = False) -> Callable[[Run], Iterator[Step]]:
    """A function that iterates a run and meanwhile shows step k of n on stderr, when that is a terminal."""
    return (lambda run: bar(run, label)) if sys.stderr.isatty() and not quiet else iter


def bar(run: Run, label: str = "") -> Iterator[Step]:
    """Iterate ``run``, redrawing one line; it is wiped at the end, however the iteration ends."""
    total, start = len(run), time.monotonic()
    try:
        draw(label, 0, total, 0.0)
        for k, step in enumerate(run, 1):
            draw(label, k, total, time.monotonic() - start)
            yield step
    finally:
        clear()


def clear() -> None:
    """Wipe the line of the bar, where there is a terminal that may show one."""
    if sys.stderr.isatty():
        sys.stderr.write("\r" + " " * (width() - 1) + "\r")
        sys.stderr.flush()


def draw(label: str, k: int, total: int, seconds: float) -> None:
    """Write ``label [#####.....] 5/10 0:03 left`` over the current line."""
    left = f"{clock(seconds / k * (total - k))} left" if k else ""
    tail = f" {k}/{total} {left}"
    room = max(5, min(40, width() - len(label) - len(tail) - 5))
    done = room * k // max(total, 1)
    line = f"{label} [{'#' * done}{'.' * (room - done)}]{tail}".strip()
    sys.stderr.write("\r" + line[: width() - 1].ljust(width() - 1))
    sys.stderr.flush()


def width() -> int:
    """Columns of the terminal."""
    return shutil.get_terminal_size().columns


def clock(seconds: float) -> str:
    """Seconds as 0:07 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
