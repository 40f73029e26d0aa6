"""Files of jobs: complete under their name or not there at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections import Counter
from pathlib import Path
from typing import IO

_ID = re.compile(r"[0-9a-f]{24}", re.ASCII)
_INPUT = re.compile(r"picture|mask|control\d", re.ASCII)
_VIEW = re.compile(r"([0-9a-f]{24})-(\d{1,4})\.json\.gz", re.ASCII)
_PICTURE = re.compile(r"([0-9a-f]{24})-(\d{1,4})\.png", re.ASCII)


class Files:
    """The folder of a server: ``pictures``, ``inputs``, ``views``. Names are made here, never taken from a request."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures, self.inputs, self.views = (folder / name for name in ("pictures", "inputs", "views"))
        for place in (self.pictures, self.inputs, self.views):
            place.mkdir(parents=True, exist_ok=True)

    def picture(self, job: str, k: int) -> Path:
        """Where picture k of a job is."""
        return self.pictures / f"{checked(job)}-{k}.png"

    def input(self, job: str, name: str) -> Path:
        """Where a picture that a job was sent is: "picture", "mask", or "control0" and so on."""
        if not _INPUT.fullmatch(name):
            raise ValueError(f"a job has no {name!r}")
        return self.inputs / f"{checked(job)}-{name}"

    def view(self, job: str, k: int) -> Path:
        """Where the see-through view of picture k is kept."""
        return self.views / f"{checked(job)}-{k}.json.gz"

    def tidy(self, wanted: set[tuple[str, int]], inputs: set[str]) -> int:
        """Remove what no job knows of: halves, and pictures and inputs whose row was never written; how many."""
        removed = 0
        for folder, names in ((self.pictures, _PICTURE), (self.views, _VIEW)):
            for path in folder.iterdir():
                name = names.fullmatch(path.name)
                if name is None or (name[1], int(name[2])) not in wanted:
                    path.unlink(missing_ok=True)
                    removed += 1
        for path in self.inputs.iterdir():
            if path.name.rpartition("-")[0] not in inputs:
                path.unlink(missing_ok=True)
                removed += 1
        return removed

    def remove(self, job: str) -> None:
        """Everything that is kept of a job."""
        for folder in (self.pictures, self.inputs, self.views):
            for path in folder.glob(f"{checked(job)}-*"):
                path.unlink(missing_ok=True)

    def sizes(self) -> Counter[str]:
        """Bytes of the files of each job."""
        found = Counter[str]()
        for folder in (self.pictures, self.inputs, self.views):
            with os.scandir(folder) as entries:
                for entry in entries:
                    with contextlib.suppress(FileNotFoundError):
                        found[entry.name.partition("-")[0]] += entry.stat().st_size
        return found


def checked(job: str) -> str:
    """The id of a job. Raises ValueError for anything else, so that no name leads elsewhere."""
    if not _ID.fullmatch(job):
        raise ValueError("that is not the id of a job")
    return job


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that it is there completely or not at all, also after the power went."""
    unfinished = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def held(path: Path) -> IO[bytes]:
    """A file that nobody else holds, as long as it is open: also gone after kill -9.

    Raises OSError where another server has it. Where the system has no such locks, nothing is held.
    """
    file = path.open("wb")
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except OSError:
        file.close()
        raise OSError(f"another server keeps its jobs in {path.parent}; --data names another folder") from None
    return file
