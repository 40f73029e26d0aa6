"""The batch rule: pictures drawn together in always the same number of rows, so that neighbours change no bit.

What a network makes of one row depends, in its last bits, on how many rows it is given (other shapes, other order of
sums), but for a given shape not on what the other rows hold nor on which row it is. So with N rows a batch is filled up
to N, and a picture is a function of its request and N alone. Texts are encoded, and latents decoded, one by one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import Any

from torch import Tensor

from sukashi.diffusion.noise import per_picture
from sukashi.diffusion.types import Step
from sukashi.pipeline import Pipeline
from sukashi.run import Result, Run
from sukashi.settings import Settings

OWN = ("prompt", "negative_prompt", "seed", "count")  # what pictures of one batch may differ in


def key(task: str, model: str, settings: Mapping[str, Any], *, alone: bool = False) -> Hashable | None:
    """What requests must share to be drawn together; None for those that are drawn alone in any case."""
    asked = Settings.from_dict(settings)
    if task != "text-to-image" or alone or asked.steers:
        return None
    shared = {name: value for name, value in settings.items() if name not in OWN}
    return json.dumps([model, shared], sort_keys=True)


def fits(pipe: Pipeline, asked: Settings) -> bool:
    """Whether a request is words as they stand, in one chunk of tokens: only such are batched."""
    return pipe.plain(asked.prompt, asked.filled(pipe.defaults)) and not pipe.wraps


def run(pipe: Pipeline, asked: Sequence[Settings], rows: int) -> Run:
    """One run of requests that share their ``key``, in ``rows`` rows; rows that nobody asked for repeat the first."""
    if not 0 < len(asked) <= rows:
        raise ValueError(f"{len(asked)} pictures do not go into {rows} rows")
    filled = [one.filled(pipe.defaults) for one in asked]
    padded = [*filled, *[filled[0]] * (rows - len(filled))]
    width, height, n, _ = padded[0].numbers()
    plan, shape = pipe.plan(padded[0]), pipe.latent_shape(width, height)
    levels, notes = plan.levels(n), pipe.remarks([one.prompt for one in filled])
    told: dict[str, Any] = {"clip_skip": padded[0].clip_skip, "emphasis": "none", "truncate": True, "notes": notes}
    wanted = reduce(add, [pipe.encode_prompt(one.prompt, **told) for one in padded])
    unwanted = reduce(add, [pipe.encode_prompt([one.negative_prompt], **told) for one in padded])
    seeds = [one.seed or 0 for one in padded]

    def start() -> Tensor:
        return per_picture(seeds, shape, padded[0].rng, pipe.device)() * plan.start_scale(levels)

    def walk() -> Iterator[Step]:
        noise = per_picture(seeds, shape, padded[0].rng, pipe.device)
        x = noise() * plan.start_scale(levels)
        return plan.run(pipe.denoiser(wanted, unwanted, padded[0], notes), x, levels, noise)

    facts: dict[str, Any] = {"sampler": plan.sampler, "grid": plan.grid, "calls": plan.calls(n), "notes": notes}
    return Run(requests=filled, levels=levels, x=start(), walk=walk, **facts)


def finish(pipe: Pipeline, run: Run, x: Tensor, k: int, rows: int, start: float) -> Result:
    """The result of row k alone: x (B, C, h, w) -> its picture, decoded alone."""
    notes = [*run.notes, f"drawn as one of {rows} rows (--batch {rows}): alone it differs in its last bits"]
    alone = replace(run, requests=[run.requests[k]], notes=notes)
    return pipe.finish(alone, x[k : k + 1], start)


def draw(pipe: Pipeline, asked: Sequence[Settings], rows: int) -> list[Result]:
    """Draw requests together, to the end."""
    start = time.perf_counter()
    running = run(pipe, asked, rows)
    x = running.x
    for step in running:
        x = step.x_next
    return [finish(pipe, running, x, k, rows, start) for k in range(len(asked))]
