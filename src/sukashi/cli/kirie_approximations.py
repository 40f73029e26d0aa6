"""``sukashi kirie approximations``: what computing less does to pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sukashi.cli.exits import OK, Misuse
from sukashi.cli.options import loading, whole


def options(parser: argparse.ArgumentParser) -> None:
    """Options of approximations."""
    parser.add_argument("--prompts", type=whole, default=20, metavar="N", help="of kirie's world (default 20)")
    parser.add_argument("--steps", type=whole, metavar="N", help="of the exact pictures (default: the model's)")
    parser.add_argument("--probe", metavar="FILE", help="weights of another probe")
    parser.add_argument(
        "--out", default="approximations", metavar="FOLDER", help="where to; again: go on (default approximations)"
    )
    loading(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, print the table, write it, its numbers and a sheet of pictures."""
    from sukashi.cli.model import load
    from sukashi.lab.approximations.measure import run as measure
    from sukashi.lab.approximations.report import report
    from sukashi.lab.probe import WEIGHTS, load_probe

    if args.prompts < 1 or (args.steps is not None and args.steps < 4):
        raise Misuse("--prompts from 1 and --steps from 4 on are accepted")
    out, reader = Path(args.out), load_probe(Path(args.probe) if args.probe else WEIGHTS)
    pipe = load(args)
    lines = measure(pipe, reader.to(pipe.device), out, prompts=args.prompts, steps=args.steps, say=tell)
    print(report(lines, out))
    print(", ".join(str(out / f"approximations.{kind}") for kind in ("md", "json", "png")))
    return OK


def tell(line: str) -> None:
    """How far it is, beside the result."""
    print(line, file=sys.stderr, flush=True)
