"""What watching costs: ``python -m benchmarks.watching``. A run's steps against a bare loop, and with attention on.

All variants take turns, on one picture with guidance; the smallest CPU time of the turns is taken, without encoding and
decoding. The bare loop asks the U-Net about both prompts and moves by DDIM, and does nothing else. What a step takes
outside the U-Net says on a busy machine too whether the loop costs something; observers are inside.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

import sukashi
from benchmarks.measure import facts
from sukashi.diffusion.denoiser import ask, read
from sukashi.diffusion.moves import move
from sukashi.pipeline import Pipeline
from sukashi.run import Run
from sukashi.watch.attention import attention
from sukashi.watch.maps import KEEPS, Maps

PROMPT, NEGATIVE = "a girl with glasses eating pizza in the forest", "a red hat"


class Timed:
    """What a pipeline runs in the place of a network, with the CPU time spent inside it."""

    def __init__(self, quick: Callable[[Any], Any]) -> None:
        self.quick, self.seconds = quick, 0.0

    def __call__(self, net: Any) -> Callable[..., torch.Tensor]:
        run = self.quick(net)

        def timed(*inputs: Any, **named: Any) -> torch.Tensor:
            start = time.process_time()
            out: torch.Tensor = run(*inputs, **named)
            self.seconds += time.process_time() - start
            return out

        return timed


def bare(pipe: Pipeline, steps: int) -> Callable[[], torch.Tensor]:
    """The loop without anything around it."""
    net = pipe.quick(pipe.unet)
    plan, levels = pipe.published, pipe.published.levels(steps)
    both = pipe.encode_prompt(NEGATIVE) + pipe.encode_prompt(PROMPT)
    scale, predicts = pipe.defaults["guidance"], plan.schedule.predicts
    start = pipe.get_latents(*pipe.size, seeds=[1]) * plan.start_scale(levels)

    def loop() -> torch.Tensor:
        x = start
        with torch.no_grad():
            for now, to in pairwise(levels):
                out_u, out_w = ask(net, torch.cat([x, x]), now, both).chunk(2)
                eps = read(out_u + scale * (out_w - out_u), x, now, predicts).eps
                x = move(x, eps, now, to)
        return x

    return loop


def walked(run: Run) -> torch.Tensor:
    """A run to its end."""
    x = run.x
    for step in run:
        x = step.x_next
    return x


def held(maps: Maps) -> int:
    """Bytes that the maps of one picture hold."""
    sheets = [sheet for sheets in maps.sheets.values() for sheet in sheets]
    found = [tensor for sheet in sheets for tensor in (*sheet.sums.values(), *sheet.steps.values())]
    found += [tensor for sheet in sheets for layers in sheet.every.values() for tensor in layers.values()]
    return sum(tensor.nbytes for tensor in found)


def main() -> None:
    """Measure and print a table in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching", description=__doc__)
    parser.add_argument("--model", default="kirie", help="name or folder of a model that draws by DDIM (default kirie)")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--no-fast", action="store_true", help="without sukashi.fast")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    pipe = sukashi.load(asked.model, device="cpu", dtype=torch.float32, fast=not asked.no_fast)
    pipe.quick = inside = Timed(pipe.quick)
    options = {"negative_prompt": NEGATIVE, "seed": 1, "steps": asked.steps}
    seen = {f"attention, keep={keep!r}": attention(pipe, keep=keep) for keep in KEEPS}
    runs = {"steps, nothing watched": pipe.steps(PROMPT, **options)}
    runs |= {name: one.steps(PROMPT, **options) for name, one in seen.items()}
    variants = {
        "bare loop": bare(pipe, asked.steps),
        **{name: lambda run=run: walked(run) for name, run in runs.items()},
    }
    times: dict[str, list[float]] = {name: [] for name in variants}
    outside: dict[str, list[float]] = {name: [] for name in variants}
    ends = {name: draw() for name, draw in variants.items()}  # and warm everything up
    worst = max(float((x - ends["bare loop"]).abs().max()) for x in ends.values())
    same = all(torch.equal(ends["steps, nothing watched"], ends[name]) for name in seen)
    for turn in range(asked.turns):
        for name in list(variants)[turn % len(variants) :] + list(variants)[: turn % len(variants)]:
            start, inside.seconds = time.process_time(), 0.0
            variants[name]()
            times[name].append(time.process_time() - start)
            outside[name].append(times[name][-1] - inside.seconds)
        print(f"\r{turn + 1} of {asked.turns}", end="", file=sys.stderr)
    print(file=sys.stderr)
    print(f"{facts()}\n\n| variant | ms a step | beside the bare loop | outside the U-Net, ms | bytes held |")
    print("|---|---|---|---|---|")
    base = min(times["bare loop"])
    for name, found in times.items():
        size = f"{held(seen[name].maps[0]):,}" if name in seen else "-"
        rest = 1000 * min(outside[name]) / asked.steps
        beside = 100 * (min(found) / base - 1)
        print(f"| {name} | {1000 * min(found) / asked.steps:.2f} | {beside:+.1f} % | {rest:.2f} | {size} |")
    print(f"\nmost that a latent differs from the bare loop's: {worst:.1e}; with and without maps equal: {same}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
