"""Where pictures go: one file, files by a pattern, or the next free number in a folder. Never over another unasked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from itertools import count
from pathlib import Path

FOLDER = "outputs"
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
_NUMBER = re.compile(r"%(0\d\d?)?d")


class Target:
    """The place that ``output`` names, for as many pictures as come.

    None is the folder "outputs". An existing folder, a name that ends in "/" and a name without a suffix are folders:
    pictures are called ``00000-SEED.png`` there, by the next free number. ``a-%03d.png`` is a pattern that takes the
    free numbers from 0 on. Anything else is one file; further pictures are ``name_2.png``, ``name_3.png``.

    Raises ValueError for a suffix that pictures are not saved in.
    """

    def __init__(self, output: str | os.PathLike[str] | None = None, *, overwrite: bool = False) -> None:
        text = os.fspath(FOLDER if output is None else output)
        self.path, self.overwrite, self.pictures, self.number = Path(text).expanduser(), overwrite, 0, 0
        self.pattern = bool(_NUMBER.search(self.path.name))
        self.folder = text.endswith(("/", os.sep)) or self.path.is_dir() or not self.path.suffix
        if _NUMBER.search(str(self.path.parent)):
            raise ValueError(f"{text}: only the file's name may have a number (%d), not its folder")
        if self.folder and not self.pattern and self.path.exists() and not self.path.is_dir():
            raise ValueError(f"{text} is a file, not a folder for pictures")
        if (self.pattern or not self.folder) and self.path.suffix.lower() not in SUFFIXES:
            raise ValueError(f"{text}: pictures are saved as {', '.join(SUFFIXES)}; the name of a folder ends in '/'")

    def refuse(self, pictures: int) -> None:
        """Before so many more pictures are drawn: raise what writing them would.

        FileExistsError where one could only go over another file, PermissionError where nothing may be written.
        """
        if not (self.folder or self.pattern or self.overwrite):
            for k in range(self.pictures, self.pictures + pictures):
                if (path := self.named(k)).exists():
                    raise FileExistsError(f"{path} exists; --overwrite (overwrite=True) replaces it")
        folder = self.path if self.folder and not self.pattern else self.path.parent
        there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
        if not os.access(there, os.W_OK):
            raise PermissionError(f"{there} may not be written to")

    def named(self, k: int) -> Path:
        """The name of picture k where one file was named."""
        return self.path if k == 0 else self.path.with_name(f"{self.path.stem}_{k + 1}{self.path.suffix}")

    def put(self, seed: int, write: Callable[[Path], object]) -> Path:
        """Call ``write`` with the name for the next picture; a name that was taken meanwhile is passed over."""
        if not (self.folder or self.pattern):
            path = self.named(self.pictures)
            write(path)
            self.pictures += 1
            return path
        for number in count(self.next_number()):
            path = self.numbered(number, seed)
            if path.exists() and not self.overwrite:
                continue
            try:
                write(path)
            except FileExistsError:
                if path.parent.is_dir():
                    continue
                raise  # something else is in the way: a file where the folder should be
            self.number = number + 1
            return path
        raise AssertionError("there is always another number")

    def next_number(self) -> int:
        """Where to look for a free number first."""
        if self.pattern:
            return self.number
        taken = re.compile(r"(\d{5,9})-")
        names = os.listdir(self.path) if self.path.is_dir() else []
        return max([self.number, *(int(match[1]) + 1 for match in map(taken.match, names) if match)])

    def numbered(self, number: int, seed: int) -> Path:
        """The path with this number in it."""
        if self.pattern:
            return self.path.with_name(_NUMBER.sub(lambda field: field[0] % number, self.path.name))
        return self.path / f"{number:05d}-{seed}.png"
