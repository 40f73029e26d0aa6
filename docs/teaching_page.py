"""Put the results of ``sukashi kirie teach`` into the page: ``python docs/teaching_page.py teach``.

Replaces what stands between the marks of docs/teaching.md, and docs/images/teaching-*.png; the rest of the page stays.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from marks import put

from sukashi.lab.teaching.folders import lesson_captions
from sukashi.lab.teaching.methods import RARE
from sukashi.lab.teaching.world import CONCEPTS

HERE = Path(__file__).resolve().parent
PAGE = HERE / "teaching.md"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="what `sukashi kirie teach --out` was given")
    folder = parser.parse_args().folder
    captions = enumerate(lesson_captions("penguin", RARE), 1)
    put(PAGE, "lessons", "\n".join(f'{k}. "{caption}"' for k, caption in captions))
    for concept in CONCEPTS:
        put(PAGE, concept, (folder / concept / "teaching.md").read_text(encoding="utf-8"))
        shutil.copyfile(folder / concept / "teaching.png", HERE / "images" / f"teaching-{concept}.png")


if __name__ == "__main__":
    main()
