"""Everything that is measured beside the peers, stage by stage: ``python -m benchmarks.suite``; ``make bench``.

About 70 minutes on two quiet cores; ``--quick`` is the stages of minutes. Every stage is a command of its own that
writes what it knows after every process, and build/bench-report.{md,json,png} are made anew after every stage: stopping
early loses nothing. ``--only`` picks stages, ``--list`` names them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import ROOT
from benchmarks.verdict import report

PEERS = "sukashi plain,diffusers,diffusers compiled,openvino"
NARROW = ("--dtype", "bfloat16", "--runs", "2", "--timeout", "400", "--peers", "diffusers,openvino")
WHOLE = ("--part", "picture", "--cells", "32", "--runs", "3", "--peers", "diffusers,stable-diffusion.cpp")


class Stage(NamedTuple):
    """One command and roughly how many minutes it takes on two quiet cores."""

    name: str
    minutes: int
    command: tuple[str, ...]

    @property
    def shown(self) -> str:
        """As it is typed."""
        return " ".join(["python -m", *(f"'{word}'" if " " in word else word for word in self.command)])


QUICK = (
    Stage("demo", 1, ("benchmarks.demo",)),
    Stage("small", 4, ("benchmarks", "--runs", "5")),
)
FULL = (
    Stage("unet", 16, ("benchmarks.peers", "--runs", "3", "--peers", PEERS)),
    Stage("vae", 8, ("benchmarks.peers", "--part", "vae", "--runs", "3", "--peers", PEERS)),
    Stage("picture", 8, ("benchmarks.peers", *WHOLE)),
    Stage("unet-bfloat16", 12, ("benchmarks.peers", *NARROW)),
    Stage("vae-bfloat16", 6, ("benchmarks.peers", "--part", "vae", *NARROW)),
    Stage("overhead", 8, ("benchmarks", "--only", "overhead", "--compile", "--runs", "7", "--out", "build/overhead")),
    Stage("load", 6, ("benchmarks", "--full", "--only", "load", "--runs", "4", "--out", "build/full")),
)


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.suite", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the stages of minutes")
    parser.add_argument("--only", nargs="+", metavar="STAGE", choices=[stage.name for stage in QUICK + FULL])
    parser.add_argument("--list", action="store_true", help="name the stages, their minutes and their commands")
    parser.add_argument("--report", action="store_true", help="measure nothing: make the report of what there is")
    parser.add_argument("--minutes", type=float, default=75, help="begin no stage after so many (default 75)")
    return parser.parse_args()


def main() -> None:
    """Run the stages and report after each."""
    asked = arguments()
    stages = [stage for stage in (QUICK if asked.quick else QUICK + FULL) if not asked.only or stage.name in asked.only]
    if asked.list:
        print("\n".join(f"{stage.name:<14} {stage.minutes:>3} min  {stage.shown}" for stage in stages))
        return
    start, left_out = time.monotonic(), list[str]()
    for stage in [] if asked.report else stages:
        if time.monotonic() - start > 60 * asked.minutes:
            left_out.append(f"{stage.name}: not begun after {asked.minutes:g} minutes ({stage.shown})")
            continue
        print(f"\n--- {stage.name}, about {stage.minutes} minutes: {stage.shown}", flush=True)
        try:
            done = subprocess.run([sys.executable, "-m", *stage.command], cwd=ROOT)
        except KeyboardInterrupt:
            left_out.append(f"{stage.name}: stopped")
            break
        if done.returncode:
            left_out.append(f"{stage.name}: exit {done.returncode} ({stage.shown})")
        report(ROOT / "build", left_out)
    print(report(ROOT / "build", left_out))
    print(f"written: {Path('build') / 'bench-report'}.md, .json and .png")


if __name__ == "__main__":
    main()
