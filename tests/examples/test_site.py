"""The site is built, and all code in its pages runs while it is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r'^```python exec="on".*?^```$', re.MULTILINE | re.DOTALL)
PAGES = sorted(page for page in (ROOT / "docs").glob("*.md") if FENCE.search(page.read_text(encoding="utf-8")))


def code(page: Path) -> list[str]:
    """What a page runs, whatever the names of its sessions."""
    return [block.replace("-ja", "") for block in FENCE.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", [page for page in PAGES if ".ja." not in page.name], ids=lambda page: page.stem)
def test_both_languages_run_the_same(page: Path) -> None:
    assert code(page) == code(page.with_suffix(".ja.md"))


@pytest.mark.slow
def test_it_builds(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0 and "exited with errors" not in done.stderr, done.stdout[-2000:] + done.stderr[-3000:]
    for name in ("index", "walk", "ja/walk", "reference/nets", "source/src/sukashi/nets/unet.py"):
        assert (tmp_path / "site" / f"{name}.html").stat().st_size > 1000
