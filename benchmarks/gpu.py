"""Everything there is to find out on a GPU, in order: ``python -m benchmarks.gpu`` (``make gpu``).

Each step runs in a process of its own with a time limit; one that fails is said in the report and the next begins. The
report (gpu.md, gpu.json) is written after every step into --out, else $OUT, else build/. ``--check`` runs the same at a
tiny size on the CPU, to try this script itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.measure import ROOT, facts

SECTIONS = ("doctor", "tests", "networks", "batches", "float8", "compiled", "kirie", "evaluate")


class Step(NamedTuple):
    """One process."""

    section: str
    name: str
    words: list[str]  # after the name of Python
    seconds: float  # it may take


def arguments(words: list[str] | None = None) -> argparse.Namespace:
    """What to run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--only", choices=SECTIONS, nargs="+", default=SECTIONS, help="sections (default: all)")
    parser.add_argument("--minutes", type=float, default=8.0, help="training of kirie's U-Net (default 8)")
    parser.add_argument("--vae-minutes", type=float, default=2.5, help="and of its autoencoder (default 2.5)")
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or ROOT / "build"))
    parser.add_argument("--check", action="store_true", help="tiny, on the CPU: only to see that it runs")
    return parser.parse_args(words)


def steps(asked: argparse.Namespace) -> Iterator[Step]:
    """All of them, in order."""
    device, check = "cpu" if asked.check else asked.device, asked.check
    models = ["tiny"] if check else ["sd1", "sdxl"]
    types = ["float32"] if check else ["float16", "bfloat16", "float32"]
    rows = ["-m", "benchmarks.gpu_rows"]
    yield Step("doctor", "doctor", ["-m", "sukashi", "doctor", "--device", device, "--verbose"], 150)
    tests = ["tests/fast/test_graphs.py"] if check else ["tests/fast", "tests/cli/test_doctor.py", "tests/pipeline"]
    yield Step("tests", "tests", ["-m", "pytest", "-q", "-rs", *tests], 300)
    for model in models:
        for dtype in types:
            yield Step("networks", f"U-Net {model} {dtype}", [*rows, "unet", model, dtype, device], 120)
    for model in models:
        for dtype in types:
            yield Step("networks", f"VAE {model} {dtype}", [*rows, "vae", model, dtype, device], 60)
    half = types[0]
    for model in models:
        yield Step("batches", f"batches {model}", [*rows, "batches", model, half, device], 90)
        yield Step("float8", f"float8 {model}", [*rows, "float8", model, half, device], 90)
    if not check:
        yield Step("compiled", "compiled sd1", [*rows, "compiled", "sd1", half, device], 400)
    kirie = ["-m", "sukashi", "train", "scratch", "--recipe", "kirie", "--device", device]
    budget = ["--minutes", str(asked.minutes), "--vae-minutes", str(asked.vae_minutes), "--polish-minutes", "0.5"]
    limit = 60 * (asked.minutes + asked.vae_minutes) + 240
    if not check:  # what it does on a CPU has tests of its own
        yield Step("kirie", "train kirie", [*kirie, *budget, "--out", str(asked.out / "kirie")], limit)
        model, place = str(asked.out / "kirie" / "model"), ["--device", device, "--out", str(asked.out / "eval")]
        words = ["-m", "sukashi", "kirie", "eval", model, "--prompts", "500", *place]
        yield Step("evaluate", "kirie eval", words, 240)


def perform(step: Step) -> dict[str, Any]:
    """Run one; what it printed, its rows, and why it ended."""
    quiet = {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore", "DIFFUSERS_VERBOSITY": "error"}
    paths = os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    start, failed = time.monotonic(), ""
    try:
        done = subprocess.run(
            [sys.executable, *step.words],
            cwd=ROOT,
            env=os.environ | quiet | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=step.seconds,
        )
        out, err = done.stdout, done.stderr
        failed = f"exit {done.returncode}: {last(err) or last(out)}" if done.returncode else ""
    except subprocess.TimeoutExpired as expired:
        out, err = (
            part.decode() if isinstance(part, bytes) else part or "" for part in (expired.output, expired.stderr)
        )
        failed = f"stopped after {step.seconds:g} s"
    rows = [json.loads(line) for line in out.splitlines() if line.startswith('{"row"')]
    took = time.monotonic() - start
    said = "" if rows else out[-6000:]
    return {"section": step.section, "name": step.name, "seconds": took, "failed": failed, "rows": rows, "said": said}


def last(text: str) -> str:
    """The last line."""
    return (text.strip().splitlines() or [""])[-1][:300]


def report(about: dict[str, Any], found: list[dict[str, Any]]) -> str:
    """What is known, as Markdown."""
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = [
        f"{about['accelerator']}; {about['processor']}, {about['cores']} cores, {about['system']}; {versions}; commit "
        f"{about['commit']}, {about['date']}. Medians; errors: against the plain network, of the largest value.",
        "",
        "| what | ms | least | first call, s | peak GiB | error | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for one in found:
        for row in one["rows"]:
            cells = [number(row.get(key)) for key in ("ms", "least", "first", "peak GiB", "error")]
            more = [*row.get("notes", ())]
            if rate := row.get("pictures per second and step"):
                more.append(f"{rate:.4g} pictures a second and step")
            lines.append(f"| {row['row']} | {' | '.join(cells)} | {'; '.join(more)} |")
    lines += ["", "| step | seconds | |", "| --- | ---: | --- |"]
    lines += [f"| {one['name']} | {one['seconds']:.0f} | {one['failed'] or 'done'} |" for one in found]
    for one in found:
        if one["said"]:
            lines += ["", f"{one['name']}:", "", "```text", one["said"].strip(), "```"]
    return "\n".join(lines) + "\n"


def number(value: float | None) -> str:
    """Three digits, or nothing."""
    return "" if value is None else f"{value:.3g}"


def main(words: list[str] | None = None) -> list[dict[str, Any]]:
    """Run everything that was asked for."""
    asked = arguments(words)
    about, found = facts(), list[dict[str, Any]]()
    asked.out.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for step in steps(asked):
        if step.section not in asked.only:
            continue
        found.append(perform(step._replace(seconds=10 * step.seconds) if asked.check else step))
        one = found[-1]
        print(f"{one['name']}: {one['failed'] or 'done'}, {one['seconds']:.0f} s", flush=True)
        for name, text in (("gpu.json", json.dumps({"facts": about, "steps": found}, indent=1) + "\n"),
                           ("gpu.md", report(about, found))):  # fmt: skip
            (asked.out / f"{name}.part").write_text(text, encoding="utf-8")
            os.replace(asked.out / f"{name}.part", asked.out / name)
    print(f"{(time.monotonic() - start) / 60:.1f} minutes; the report is {asked.out / 'gpu.md'}")
    return found


if __name__ == "__main__":
    main()
