"""The full-size networks beside the peers: ``python -m benchmarks.peers``.

Everybody runs in a fresh process, in turns within one run, with the same weights, inputs and threads. What comes out is
compared with float64 first; a peer that computes something else is left out and said so. After every process the
report is written anew, so that a run may be stopped: build/peers-PART-DTYPE-CELLS.{json,md}, and a plot at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import ROOT, facts
from benchmarks.models import write_model
from benchmarks.peer import NAMES

LIMITS = {"float32": 1e-3, "bfloat16": 2e-1}  # of the largest value: beyond it is another computation
PICTURE_LIMIT = 3e-2  # root of the mean square difference of whole pictures, of 255
PARTS = {
    "unet": "U-Net step with guidance (two pictures)",
    "vae": "VAE decode",
    "picture": "One more step of a whole picture, with guidance (from runs of 1 and 3 steps of Euler)",
}
Found = dict[str, list[dict[str, Any]]]


def arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--part", choices=tuple(PARTS), default="unet")
    parser.add_argument("--dtype", choices=tuple(LIMITS), default="float32")
    parser.add_argument("--cells", type=int, default=64, help="latent cells per side; 64 is 512 pixels (default 64)")
    parser.add_argument("--runs", type=int, default=5, help="turns (default 5)")
    parser.add_argument(
        "--peers", default="sukashi plain,diffusers", help=f"comma-separated, of {', '.join(NAMES[1:])}"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every process (default: all cores)")
    parser.add_argument("--timeout", type=float, default=600, help="seconds a process may take (default 600)")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, to try the benchmark itself")
    parser.add_argument("--out", type=Path, default=ROOT / "build")
    return parser.parse_args()


def child(name: str, asked: argparse.Namespace, folder: Path, out: Path) -> dict[str, Any]:
    """One process of one side. Raises RuntimeError with the end of what it said when it fails."""
    words = [name, str(folder), asked.part, asked.dtype, str(asked.cells), str(out)]
    threads = {key: str(asked.threads) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    quiet = {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "DIFFUSERS_VERBOSITY": "error"}
    command = [sys.executable, "-m", "benchmarks.peer", *words]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | threads | quiet, capture_output=True, text=True, timeout=asked.timeout
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"took longer than {asked.timeout:g} s") from None
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise RuntimeError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
    found: dict[str, Any] = json.loads(lines[-1])
    return child(name, asked, folder, out) if "converted" in found else found


def measure(asked: argparse.Namespace, folder: Path) -> None:
    """Take turns and write down what is known after every process."""
    names, found, wrong, errors = ["sukashi", *asked.peers.split(",")], Found(), dict[str, str](), dict[str, float]()
    about = facts() | {"part": asked.part, "dtype": asked.dtype, "cells": asked.cells, "threads": asked.threads}
    with tempfile.TemporaryDirectory() as place:
        exact = Path(place) / "float64.npy"
        child("float64", asked, folder, exact)
        expected = np.load(exact)
        for turn in range(asked.runs):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                if name in wrong:
                    continue
                out = Path(place) / "out.npy"
                try:
                    one = child(name, asked, folder, out)
                    errors[name] = apart(asked.part, np.load(out), expected)
                    if not errors[name] <= (PICTURE_LIMIT if asked.part == "picture" else LIMITS[asked.dtype]):
                        raise RuntimeError(f"differs by {errors[name]:.1e} from what is exact: another computation")
                except RuntimeError as error:
                    wrong[name] = str(error)
                    print(f"{name}: {error}", flush=True)
                else:
                    found.setdefault(name, []).append(one | {"turn": turn})
                    print(f"turn {turn + 1} {name:<20} {one['seconds']:8.2f} s  cpu {one['cpu']:8.2f} s  "
                          f"peak {one['peak']:6.0f} MiB  error {errors[name]:.1e}", flush=True)  # fmt: skip
                write(asked, about, found, errors, wrong)


def apart(part: str, made: np.ndarray, expected: np.ndarray) -> float:
    """How far an output is from the exact one: as a part of its largest value; of pictures the root mean square."""
    if part == "picture":
        return float(np.sqrt(((made.astype(float) - expected) ** 2).mean()) / 255)
    return float(np.abs(made - expected).max() / np.abs(expected).max())


def ratios(found: Found, name: str, key: str) -> list[float]:
    """Theirs over ours of every turn that both ended: above 1 they take longer."""
    ours = {one["turn"]: value(one, key) for one in found.get("sukashi", [])}
    return [value(one, key) / ours[one["turn"]] for one in found.get(name, []) if one["turn"] in ours]


def value(one: dict[str, Any], key: str) -> float:
    """A number of one process; "start" is from nothing loaded to the end of the first call."""
    return float(one["load"] + one["first"] if key == "start" else one[key])


def table(about: dict[str, Any], found: Found, errors: dict[str, float], wrong: dict[str, str]) -> str:
    """The report."""
    what, exact = PARTS[about["part"]], "largest difference to float64 as a part of its largest value"
    if about["part"] == "picture":
        exact = "root mean square difference to the picture by plain layers in float32, of 1"
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = [
        f"{what}, {about['cells']} x {about['cells']} cells, {about['dtype']}, {about['threads']} threads. "
        f"{about['processor']}, {about['cores']} cores, {about['system']}; {versions}; commit {about['commit']}, "
        f"{about['date']}. Medians; (least to most); the ratio is theirs over ours in the same turn. "
        f"Error: {exact}. To the first: loading and the first call together.",
        "",
        "| | seconds | CPU seconds | theirs / ours | peak MiB | load | to the first | theirs / ours | turns | error |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, each in found.items():
        middle = {key: statistics.median(one[key] for one in each) for key in each[0]}
        ratio, start = (told(ratios(found, name, key)) for key in ("seconds", "start"))
        lines.append(
            f"| {name} | {middle['seconds']:.2f} | {middle['cpu']:.2f} | {ratio} | {middle['peak']:.0f} "
            f"| {middle['load']:.1f} s | {value(middle, 'start'):.1f} s | {start} | {len(each)} | {errors[name]:.1e} |"
        )
    return "\n".join([*lines, *(f"\nLeft out: {name}: {why}" for name, why in wrong.items())]) + "\n"


def told(of: list[float]) -> str:
    """Ratios as their median, the least and the most."""
    return f"**{statistics.median(of):.2f}** ({min(of):.2f} to {max(of):.2f})" if of else "-"


def write(
    asked: argparse.Namespace, about: dict[str, Any], found: Found, errors: dict[str, float], wrong: dict[str, str]
) -> None:
    """JSON, Markdown and, where matplotlib is installed, a plot."""
    asked.out.mkdir(parents=True, exist_ok=True)
    base = asked.out / f"peers-{asked.part}-{asked.dtype}-{asked.cells}"
    data = {"facts": about, "found": found, "errors": errors, "left out": wrong}
    base.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    base.with_suffix(".md").write_text(table(about, found, errors, wrong), encoding="utf-8")


def plot(base: Path) -> None:
    """Bars of the medians, with the least and the most."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    found: Found = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))["found"]
    times = {name: sorted(one["seconds"] for one in each) for name, each in found.items()}
    middle = [statistics.median(each) for each in times.values()]
    spread = [[m - t[0] for m, t in zip(middle, times.values(), strict=True)],
              [t[-1] - m for m, t in zip(middle, times.values(), strict=True)]]  # fmt: skip
    figure = Figure(figsize=(7, 0.6 * len(times) + 1), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(list(times), middle, xerr=spread)
    axes.set_xlabel("seconds (median; least and most)")
    axes.invert_yaxis()
    figure.savefig(base.with_suffix(".png"), dpi=120)


def main() -> None:
    """Measure, report, plot."""
    asked = arguments()
    models = asked.out / "bench-models"
    models.mkdir(parents=True, exist_ok=True)
    measure(asked, write_model(models / ("tiny" if asked.tiny else "full"), full=not asked.tiny))
    base = asked.out / f"peers-{asked.part}-{asked.dtype}-{asked.cells}"
    plot(base)
    print(base.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
