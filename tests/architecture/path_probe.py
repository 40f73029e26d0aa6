"""Which of our functions a call runs through."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "sukashi"
UNNAMED = {"<lambda>", "<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>", "<module>"}


class Entered(NamedTuple):
    """A named function of ours: its file, the line it begins at, its name."""

    path: Path
    line: int
    name: str


def entered(call: Callable[[], object], folder: Path = PACKAGE) -> list[Entered]:
    """The named functions, in files inside ``folder``, that ``call`` enters, in the order of their first entry."""
    codes: dict[object, None] = {}

    def profile(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            codes[frame.f_code] = None

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        call()
    finally:
        sys.setprofile(before)
    named = [c for c in codes if c.co_filename.startswith(str(folder)) and c.co_name not in UNNAMED]
    return [Entered(Path(c.co_filename), c.co_firstlineno, c.co_name) for c in named]
