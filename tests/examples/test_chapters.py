"""The chapters run from top to bottom, as a reader runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHAPTERS = sorted((Path(__file__).resolve().parents[2] / "examples" / "chapters").glob("*.ipynb"))


def code(chapter: Path) -> str:
    """All cells of code; an assertion in them that does not hold ends the run."""
    cells = json.loads(chapter.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def test_there_are_six_and_each_checks_itself() -> None:
    assert [chapter.stem[0] for chapter in CHAPTERS] == list("123456")
    assert all("assert " in code(chapter) for chapter in CHAPTERS)


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.stem)
def test_chapter(chapter: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code(chapter)], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
