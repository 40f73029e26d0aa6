"""Measure beside diffusers: ``python -m benchmarks``; minutes at tiny size, with ``--full`` a good half hour."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything that is measured is on the disk
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch

from benchmarks import load, networks, pipelines, startup
from benchmarks.measure import ROOT, Row, facts, write
from benchmarks.models import write_model

SECTIONS = ("startup", "load", "networks", "pipeline", "overhead", "kirie")


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--full", action="store_true", help="also at the size of SD 1.5 (random weights, 5 GB of disk)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--runs", type=int, default=5, help="turns per comparison (default 5)")
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=SECTIONS, help="sections (default: all)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "build", help="folder of bench.json, bench.md and the models"
    )
    return parser.parse_args()


def main() -> None:
    """Run the sections that were asked for and write what they found."""
    asked = arguments()
    found = facts()
    models, device, rows = asked.out / "bench-models", asked.device, list[Row]()
    models.mkdir(parents=True, exist_ok=True)
    tiny = write_model(models / "tiny", full=False)
    full = write_model(models / "full", full=True) if asked.full else None
    half = (torch.float16,) if device == "cuda" else (torch.bfloat16,)
    print(f"{'':<52} {'ours':>14} {'theirs':>14}")
    if "startup" in asked.only:
        rows += startup.run(asked.runs)
    if "load" in asked.only and asked.full:
        rows += load.run(models, max(2, asked.runs // 2))
    if "networks" in asked.only:
        rows += networks.run(tiny, 20 * asked.runs, size="tiny", device=device, dtypes=(torch.float32,))
        if full:
            dtypes = (torch.float32, *half)
            rows += networks.run(full, max(3, asked.runs // 2), size="SD 1.5", device=device, dtypes=dtypes)
    if "pipeline" in asked.only:
        rows += pipelines.run(tiny, asked.runs, what="tiny", size=128, steps=20, device=device)
        if full:
            rows += pipelines.run(full, max(2, asked.runs // 2), what="SD 1.5", size=256, steps=2, device=device)
    if "overhead" in asked.only:
        rows += pipelines.overhead(tiny, asked.runs, what="tiny", size=128, device=device)
    if "kirie" in asked.only:
        from sukashi import kirie

        folder = Path(kirie.path())
        size = pipelines.own_size(folder)
        rows += pipelines.run(folder, asked.runs, what="kirie", size=size, steps=20, device=device)
    write(rows, asked.out, found)
    print(f"written: {asked.out / 'bench.json'}, {asked.out / 'bench.md'}")


if __name__ == "__main__":
    main()
