"""Nothing unfinished, and nothing that is true of one machine only, is in the repository."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from layer_table import ROOT

UNFINISHED = re.compile("|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "raise " + "NotImplemented"]))
MACHINE = re.compile(r"(?<![\w.:/-])/(?:" + "|".join(["work", "root", "home", "Users", "opt", "mnt"]) + r")/\w")
KINDS = {".py", ".md", ".toml", ".txt", ".json", ".yaml", ".yml", ".cfg", ".sh", ".js", ".css", ".html", ""}
LARGEST = 16 * 2**20
SKIPPED = {"build", "dist", "outputs", "runs", "__pycache__"}


def files() -> Iterator[Path]:
    """The text files of the repository; what is built, cached or installed is not among them."""
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in SKIPPED and (name[0] != "." or name == ".ci")]
        yield from (Path(folder, name) for name in sorted(names) if Path(folder, name).is_file())


def found(pattern: re.Pattern[str], suffixes: set[str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in files()
        if path.suffix in suffixes and path.stat().st_size < 2**20
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_nothing_is_left_unfinished() -> None:
    assert not (wrong := found(UNFINISHED, {".py", ""})), "\n".join(wrong)


def test_no_path_of_somebodys_machine() -> None:
    assert not (wrong := found(MACHINE, KINDS)), "\n".join(wrong)


def test_no_file_is_too_large_to_review() -> None:
    large = [
        f"{p.relative_to(ROOT)}: {p.stat().st_size / 2**20:.1f} MiB" for p in files() if p.stat().st_size > LARGEST
    ]
    assert not large, f"more than {LARGEST / 2**20:.0f} MiB: {large}"


@pytest.mark.parametrize(("line", "hit"), [("open('/ho" + "me/me/x')", True), ("a /static/ path, /v1/home", False)])
def test_the_checker_sees(line: str, hit: bool) -> None:
    assert bool(MACHINE.search(line)) is hit
