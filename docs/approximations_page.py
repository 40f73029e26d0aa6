"""Put the errors of all approximations into docs/benchmarks.md: ``python docs/approximations_page.py``; 4 minutes.

Runs ``sukashi kirie approximations`` into build/approximations, or goes on there, and writes its table between the two
comments of that page and its sheet to docs/images/approximations.png. After a change of the model name another --out.
"""

from __future__ import annotations

import argparse
import re
import shutil
from pathlib import Path

import sukashi
from sukashi.lab.approximations.measure import run
from sukashi.lab.approximations.report import report
from sukashi.lab.probe import load_probe

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- approximations: begin -->", "<!-- approximations: end -->"


def put(page: str, table: str) -> str:
    """The page with ``table`` between its comments. Raises ValueError for a page without them."""
    inside = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
    if not inside.search(page):
        raise ValueError(f"the page has no {BEGIN} ... {END}")
    return inside.sub(lambda _: f"{BEGIN}\n{table}{END}", page)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--out", type=Path, default=HERE.parent / "build" / "approximations")
    asked = parser.parse_args()
    pipe = sukashi.load("kirie", device="cpu")
    lines = run(pipe, load_probe(), asked.out, prompts=asked.prompts, say=print)
    page = HERE / "benchmarks.md"
    page.write_text(put(page.read_text(encoding="utf-8"), report(lines, asked.out)), encoding="utf-8")
    shutil.copyfile(asked.out / "approximations.png", HERE / "images" / "approximations.png")


if __name__ == "__main__":
    main()
