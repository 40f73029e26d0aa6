"""Taking turns, and what was found: every number of ours stands beside one of theirs from the same run."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison; ``ratio`` is the median of ours over theirs of each turn, so that below 1 we take less."""

    name: str
    unit: str
    ours: float
    theirs: float
    ratio: float
    theirs_is: str = "diffusers"
    agreement: str = ""  # how equal the outputs were that took these times; empty where nothing is computed
    runs: int = 1
    spread: float = 0.0  # the larger of the two (max - min) / median


class Disagreement(AssertionError):
    """The two sides computed different things, so that their times say nothing."""


def take_turns(ours: Callable[[], float], theirs: Callable[[], float], runs: int) -> tuple[list[float], list[float]]:
    """Call both ``runs`` times in turns, after one call each that is not counted; each returns what it measured."""
    found: tuple[list[float], list[float]] = ([], [])
    for run in range(runs + 1):
        order = (0, 1) if run % 2 else (1, 0)
        for side in order:
            value = (ours, theirs)[side]()
            if run:
                found[side].append(value)
    return found


def seconds(call: Callable[[], object]) -> Callable[[], float]:
    """``call``, returning the seconds it took."""

    def timed() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return timed


def compare(
    name: str, unit: str, ours: Callable[[], float], theirs: Callable[[], float], runs: int, **more: Any
) -> Row:
    """Medians of taking turns."""
    a, b = take_turns(ours, theirs, runs)
    spread = max((max(x) - min(x)) / (statistics.median(x) or 1) for x in (a, b))
    ours_, theirs_ = statistics.median(a), statistics.median(b)
    ratio = statistics.median(x / y for x, y in zip(a, b, strict=True))
    row = Row(name=name, unit=unit, ours=ours_, theirs=theirs_, ratio=ratio, runs=runs, spread=spread, **more)
    say(row)
    return row


def say(row: Row) -> None:
    """One line on the terminal, as soon as it is known."""
    found = f"{row.name:<52} {row.ours:9.4g} {row.unit:<4} {row.theirs:9.4g} {row.unit:<4} x {row.ratio:.3f}"
    print(f"{found}  ({row.theirs_is}{'; ' + row.agreement if row.agreement else ''})", flush=True)


def agree(difference: float, limit: float, what: str) -> str:
    """``difference`` in words. Raises Disagreement when it is above ``limit`` or not a number."""
    if not difference <= limit:
        raise Disagreement(f"{what} differ by {difference:.3g}; at most {limit:g} is the same computation")
    return f"{what} differ by {difference:.1e}"


def python(code: str, *arguments: str) -> tuple[float, dict[str, Any]]:
    """Run ``code`` in a fresh interpreter: the seconds it took in all, and the JSON of its last line if it has one."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # both sides from compiled files, as an installed package is
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True)
    took = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{code}\nfailed:\n{done.stderr[-4000:]}")
    last = done.stdout.strip().splitlines()[-1:] or ["{}"]
    return took, json.loads(last[0]) if last[0].startswith("{") else {}


# Printed as the last line of a child: the most memory it ever held at once, in MiB, and how it ended up.
PEAK = """
import json, resource, sys
def peak():
    try:
        lines = open("/proc/self/status").read().splitlines()
        return next(int(l.split()[1]) for l in lines if l.startswith("VmHWM")) / 1024
    except OSError:  # not Linux: counted in bytes by macOS
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)
"""


def facts() -> dict[str, Any]:
    """The machine, the versions and the commit that the numbers are of."""
    import torch

    versions = {}
    for name in ("torch", "diffusers", "transformers", "tokenizers", "safetensors", "numpy", "sukashi"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    git = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return {
        "commit": git.stdout.strip() or "unknown",
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "versions": versions,
    }


def processor() -> str:
    """Its name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def write(rows: list[Row], folder: Path, found: dict[str, Any]) -> None:
    """``bench.json`` and ``bench.md`` in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    data = {"facts": found, "rows": [asdict(row) for row in rows]}
    for name, text in (("bench.json", json.dumps(data, indent=1) + "\n"), ("bench.md", table(rows, found))):
        (folder / f"{name}.part").write_text(text, encoding="utf-8")
        os.replace(folder / f"{name}.part", folder / name)


def table(rows: list[Row], found: dict[str, Any]) -> str:
    """The rows as Markdown."""
    lines = [
        f"{found['processor']}, {found['cores']} cores, {found['threads']} threads, accelerator: "
        f"{found['accelerator']}; {found['system']}; " + ", ".join(f"{k} {v}" for k, v in found["versions"].items()),
        f"Commit {found['commit']}, {found['date']}. Both sides took turns; values are medians, and the ratio is the "
        "median of ours over theirs of each turn.",
        "",
        "| | ours | theirs | ratio | runs, spread | outputs |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for r in rows:
        values = f"{r.ours:.4g} {r.unit} | {r.theirs:.4g} {r.unit} ({r.theirs_is}) | **{r.ratio:.2f}**"
        lines.append(f"| {r.name} | {values} | {r.runs}, {100 * r.spread:.0f} % | {r.agreement or '-'} |")
    return "\n".join(lines) + "\n"
