"""Where the time of ``make demo`` goes, part by part, in fresh processes: ``python -m benchmarks.demo``.

Written to build/demo.json and build/demo.md; ``--no-fast`` and ``--runs 5`` are understood.
"""

from __future__ import annotations

import argparse
import json
import statistics

from benchmarks.measure import ROOT, facts, python

CHILD = """
import sys, time
at = [time.perf_counter()]
def lap(): at.append(time.perf_counter())
import torch
lap()
import sukashi; load = sukashi.load
lap()
pipe = load("kirie", device="cpu", fast=sys.argv[1] == "fast")
lap()
pipe.encode_prompt(["a girl with glasses eating pizza"]); pipe.encode_prompt([None])
lap()
run = pipe.steps("a girl with glasses eating pizza", seed=1)
x = run.x
first = None
for step in run:
    x = step.x_next
    if first is None:
        lap()
        first = True
lap()
from sukashi.pictures import to_pictures
image = to_pictures(pipe.vae_decode(x))[0]
lap()
image.save(sys.argv[2])
lap()
names = ["import torch", "import sukashi", "load", "text", "first step", "other steps", "decode", "write PNG"]
import json
print(json.dumps(dict(zip(names, (b - a for a, b in zip(at, at[1:]))))))
"""


def main() -> None:
    """Run it a few times and print medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-fast", action="store_true")
    asked = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    found, whole = list[dict[str, float]](), list[float]()
    for _ in range(asked.runs + 1):
        took, parts = python(CHILD, "plain" if asked.no_fast else "fast", str(ROOT / "build" / "demo.png"))
        found, whole = [*found, {**parts, "start and end of Python": took - sum(parts.values())}], [*whole, took]
    found, whole = found[1:], whole[1:]  # the first one fills the page cache
    middle = {name: statistics.median(one[name] for one in found) for name in found[0]}
    about = facts()
    data = {"facts": about, "fast": not asked.no_fast, "medians": middle, "runs": found, "in all": whole}
    lines = [
        f"One picture of kirie in a fresh process, 20 steps, {len(whole)} runs, medians (least to most). "
        f"{about['processor']}, {about['threads']} threads; commit {about['commit']}, {about['date']}.",
        "",
        "| part | ms |",
        "| --- | ---: |",
    ]
    for name, times in [*((name, [one[name] for one in found]) for name in middle), ("in all", whole)]:
        middling, least, most = (1000 * f(times) for f in (statistics.median, min, max))
        lines.append(f"| {name} | {middling:.0f} ({least:.0f} to {most:.0f}) |")
        print(f"{name:<24} {middling:8.0f} ms")
    (ROOT / "build" / "demo.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (ROOT / "build" / "demo.json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
