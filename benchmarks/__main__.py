"""Measure beside diffusers: ``python -m benchmarks``; minutes at tiny size, with ``--full`` a good half hour.

What is known is written after every section, so that a run may be stopped.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything that is measured is on the disk
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch

from benchmarks import load, networks, overhead, pipelines, startup
from benchmarks.measure import ROOT, Row, facts, write
from benchmarks.models import write_model

SECTIONS = ("startup", "load", "networks", "pipeline", "overhead", "kirie")


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="also at the size of SD 1.5 (random weights, 5 GB of disk)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--runs", type=int, default=5, help="turns per comparison (default 5)")
    parser.add_argument("--compile", action="store_true", help="overhead also with compile=True (5 minutes)")
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=SECTIONS, help="sections (default: all)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build", help="folder of bench.json, bench.md and the models"
    )
    return parser.parse_args()


def main() -> None:
    """Run the sections that were asked for and write what they found."""
    asked = arguments()
    found = facts()
    models, device, rows = ROOT / "build" / "bench-models", asked.device, list[Row]()
    models.mkdir(parents=True, exist_ok=True)
    tiny = write_model(models / "tiny", full=False)
    full = write_model(models / "full", full=True) if asked.full and set(asked.only) - {"load"} else None
    wide = (torch.float32, torch.float16 if device == "cuda" else torch.bfloat16)
    small: dict[str, Any] = {"what": "SD 1.5", "size": 256, "steps": 2}
    measure: dict[str, Callable[[], list[Row]]] = {
        "startup": lambda: startup.run(asked.runs),
        "load": lambda: load.run(models, max(2, asked.runs // 2)) if asked.full else [],
        "networks": lambda: [
            *networks.run(tiny, 20 * asked.runs, size="tiny", device=device, dtypes=(torch.float32,)),
            *(networks.run(full, max(3, asked.runs // 2), size="SD 1.5", device=device, dtypes=wide) if full else []),
        ],
        "pipeline": lambda: [
            *pipelines.run(tiny, asked.runs, what="tiny", size=128, steps=20, device=device),
            *(pipelines.run(full, max(2, asked.runs // 2), **small, device=device) if full else []),
        ],
        "overhead": lambda: of_steps(tiny, asked.runs, device, compiled=asked.compile),
        "kirie": lambda: of_kirie(asked.runs, device),
    }
    print(f"{'':<52} {'ours':>14} {'theirs':>14}")
    for section in SECTIONS:
        if section in asked.only:
            rows += measure[section]()
            write(rows, asked.out, found)
    print(f"written: {asked.out / 'bench.json'}, {asked.out / 'bench.md'}")


def of_steps(tiny: Path, runs: int, device: str, *, compiled: bool) -> list[Row]:
    """What a step costs where the network is small, at two sizes."""
    rows = []
    for size in (128, 32):
        what = f"tiny, {size} pixels"
        rows += overhead.overhead(tiny, runs, what=what, size=size, device=device)
        if compiled:
            rows += overhead.compiled(tiny, runs, what=what, size=size, device=device)
    return rows


def of_kirie(runs: int, device: str) -> list[Row]:
    """Loading, a first picture and memory of the model inside the package."""
    from sukashi import kirie

    folder = Path(kirie.path())
    return pipelines.run(folder, runs, what="kirie", size=pipelines.own_size(folder), steps=20, device=device)


if __name__ == "__main__":
    main()
