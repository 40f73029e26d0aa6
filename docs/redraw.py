"""Draw and measure anew what the pages show of kirie, after the model changed: ``python docs/redraw.py [PART ...]``.

Half an hour or so on two cores; each part can be run alone, and one that was stopped goes on (its tables are in
build/redraw). Texts around tables stay: read them afterwards, they may say what is no longer true.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from marks import put, tables

DOCS = Path(__file__).resolve().parent
BUILD = DOCS.parent / "build" / "redraw"
CARD = DOCS.parent / "src" / "sukashi" / "kirie" / "model" / "README.md"
ROWS = ("all attributes", "whole prompts", "- one figure", "- two figures", "- shapes")
ROWS += ("subject", "place", "coat", "clothes", "food", "hat", "glasses", "scarf", "pose", "side", "flaw")
GUIDANCE = ("1", "2", "3", "5", "8")


def sukashi(*words: str) -> None:
    """Run a command of ours."""
    subprocess.run([sys.executable, "-m", "sukashi", *words], check=True)


def script(name: str, *words: str) -> None:
    """Run a script of this project."""
    subprocess.run([sys.executable, str(DOCS.parent / name), *words], check=True)


def pictures() -> None:
    """The golden picture, the samples, the tasks, the README's sheet."""
    script("tests/golden/test_kirie_picture.py")
    script("docs/samples.py")
    script("docs/tasks_page.py")


def experiments() -> None:
    """The page of experiments."""
    script("docs/experiments_page.py")


def negatives() -> None:
    """What a negative prompt does, and when."""
    sukashi("kirie", "negatives", "--out", str(BUILD / "negatives"))
    put(DOCS / "guidance.md", "negatives", tables((BUILD / "negatives" / "negatives.md").read_text())[0])
    shutil.copyfile(BUILD / "negatives" / "negatives.png", DOCS / "images" / "negatives.png")


def attention() -> None:
    """How well maps of words lie on what they name."""
    sukashi("kirie", "attention", "--per-word", "20", "--out", str(BUILD / "attention"))
    words, layers = tables((BUILD / "attention" / "attention.md").read_text())[:2]
    put(DOCS / "attention.md", "words", words)
    put(DOCS / "attention.md", "layers", layers)
    shutil.copyfile(BUILD / "attention" / "attention.png", DOCS / "images" / "attention.png")
    fine = ("--per-word", "6", "--layer", "up_blocks.1", "--out", str(BUILD / "attention-up1"))
    sukashi("kirie", "attention", *fine)
    put(DOCS / "attention.md", "up_blocks.1", tables((BUILD / "attention-up1" / "attention.md").read_text())[0])


def teaching() -> None:
    """What kirie can be taught."""
    sukashi("kirie", "teach", "--steps", "12", "--out", str(BUILD / "teach"))
    script("docs/teaching_page.py", str(BUILD / "teach"))


def accuracy() -> None:
    """The table of the model's card."""
    asked = ("--held-out", "--prompts", "256", "--guidance", *GUIDANCE, "--steps", "25")
    sukashi("kirie", "eval", *asked, "--out", str(BUILD / "eval"))
    put(CARD, "accuracy", card(json.loads((BUILD / "eval" / "eval.json").read_text())))


def card(found: dict[str, Any]) -> str:
    """Percent right with standard errors: a row for each of ROWS, a column for drawings and every guidance."""
    columns = found["columns"]
    lines = ["| | " + " | ".join(columns) + " |", "| --- |" + " ---: |" * len(columns)]
    for row in ROWS:
        cells = [percent(*column["rows"][row]) for column in columns.values()]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def percent(right: int, of: int) -> str:
    """A share with its binomial standard error."""
    p = right / of
    return f"{100 * p:.1f} ± {100 * (p * (1 - p) / of) ** 0.5:.1f}"


PARTS: dict[str, Callable[[], None]] = {
    part.__name__: part for part in (pictures, experiments, negatives, attention, accuracy, teaching)
}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    asked = parser.parse_args().parts or list(PARTS)
    if unknown := set(asked) - set(PARTS):
        parser.error(f"unknown part {sorted(unknown)[0]!r}; known: {', '.join(PARTS)}")
    for name in asked:
        began = time.monotonic()
        PARTS[name]()
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
