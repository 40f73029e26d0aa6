"""What every ``sukashi train`` verb that learns from pictures is told about them, and ``--dry-run``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sukashi.cli.exits import OK
from sukashi.cli.options import real, whole

if TYPE_CHECKING:
    from sukashi.train.data.batches import Batches
    from sukashi.train.data.examples import Examples


def data(parser: argparse.ArgumentParser, *, classes: bool = False) -> None:
    """The folder and how it is read; with ``classes`` also the pictures of the class (DreamBooth, Custom Diffusion)."""
    parser.add_argument(
        "data", metavar="FOLDER", help="pictures side by side, or Kohya's numbered folders; captions in .txt, .caption "
        "or metadata.jsonl",
    )  # fmt: skip
    parser.add_argument("-p", "--prompt", metavar="TEXT", help="caption of the pictures that have none of their own")
    parser.add_argument("--caption-column", metavar="NAME", help="field of metadata.jsonl (default: text)")
    parser.add_argument(
        "--repeats", type=whole, metavar="N", help="times an epoch shows each (default: as named, or 1)"
    )
    if classes:
        parser.add_argument("--class-data", metavar="FOLDER", help="pictures of the class (default: the model draws)")
        parser.add_argument("--class-prompt", metavar="TEXT", help='of the class, as "a bear" for "a sks bear"')
    parser.add_argument("--size", type=whole, metavar="N", help="side in pixels (default: the model's)")
    parser.add_argument("--buckets", action="store_true", help="keep the shapes of pictures: sizes of equal area")
    parser.add_argument("--crop", choices=("center", "random"), default="center", help="default: center")
    parser.add_argument("--flip", type=real, metavar="X", help="share of pictures that are mirrored")
    parser.add_argument("--dry-run", action="store_true", help="say how the data is understood, draw crops, and stop")
    parser.add_argument("--sheet", default="dry-run.png", metavar="FILE", help="crops of --dry-run (dry-run.png)")


def examples(args: argparse.Namespace) -> Examples:
    """The pictures that were named. Raises as ``sukashi.train.data.folders.read_examples`` does."""
    from sukashi.train.data.folders import read_examples

    return read_examples(
        args.data,
        prompt=args.prompt,
        column=args.caption_column,
        repeats=args.repeats,
        class_folder=getattr(args, "class_data", None),
        class_prompt=getattr(args, "class_prompt", None),
    )


def dry_run(
    args: argparse.Namespace,
    batches: Batches,
    *,
    steps: int | None = None,
    accumulation: int = 1,
    memory: Sequence[str] = (),
) -> int:
    """Print the data as it is understood and write the sheet of crops; ``memory`` are lines of ``memory_plan``."""
    from sukashi.train.data.report import crops, describe

    for line in [*describe(batches, steps=steps, accumulation=accumulation), *memory]:
        print(line)
    path = Path(args.sheet).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    crops(batches).save(unfinished, "PNG")
    unfinished.replace(path)
    print(f"the first crops: {path}", file=sys.stderr)
    return OK
