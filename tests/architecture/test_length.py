"""No file is longer than one sitting."""

from __future__ import annotations

from layer_table import ROOT

LIMIT = 350
FOLDERS = ("src", "tests", "benchmarks", "examples", "docs")


def test_no_file_is_longer_than_the_limit() -> None:
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 20
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    too_long = [f"{path.relative_to(ROOT)}: {n} lines" for path, n in lengths.items() if n > LIMIT]
    assert not too_long, f"more than {LIMIT} lines, split by idea: " + "; ".join(too_long)


def test_the_method_by_hand_stays_short() -> None:
    assert len((ROOT / "examples" / "one_image.py").read_text().splitlines()) <= 100
