"""Interim: what Pipeline.steps is to do with a task."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from sukashi.beginning import Task
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Step
from sukashi.pipeline import Pipeline
from sukashi.run import Run
from sukashi.settings import Settings
from sukashi.tasks.strength import calls_of

Prepare = Callable[[Pipeline, Settings, Sequence[int], Plan, list[str]], Task]


def steps(pipe: Pipeline, prompt: str | Sequence[str], prepare: Prepare, **options: Any) -> Run:
    asked = Settings(**options).filled(pipe.defaults)
    width, height, n, guidance = asked.numbers()
    prompts = [p for p in ([prompt] if isinstance(prompt, str) else prompt) for _ in range(asked.count)]
    first = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    seeds = range(first, first + len(prompts))
    requests = [replace(asked, prompt=p, seed=seed, count=1) for p, seed in zip(prompts, seeds, strict=True)]
    plan, notes = pipe.plan(asked), []
    pipe.latent_shape(width, height)
    told: dict[str, Any] = {"clip_skip": asked.clip_skip, "size": (width, height), "notes": notes}
    wanted = pipe.encode_prompt(prompts, **told)
    unwanted = pipe.encode_prompt([asked.negative_prompt] * len(prompts), **told)
    task = prepare(pipe, asked, seeds, plan, notes)
    levels = list(task.levels)

    def walk() -> Iterator[Step]:
        begun = task.begin()
        w, u = (replace(c, extra=begun.extra, noise_level=begun.noise_level) for c in (wanted, unwanted))
        if task.guide:
            denoise = task.guide(pipe.unet, w, u, guidance)
        else:
            denoise = pipe.denoiser(w, u, asked, notes)
        denoise = begun.wrap(denoise) if begun.wrap else denoise
        if task.first == len(levels) - 1:
            return iter(())
        return plan.run(denoise, begun.x, levels, begun.noise, task.first)

    run = Run(
        requests=requests,
        levels=levels[task.first :],
        x=task.begin().x,
        walk=walk,
        sampler=plan.sampler,
        grid=plan.grid,
        calls=calls_of(plan, len(levels) - 1, len(levels) - 1 - task.first),
        notes=notes,
    )
    object.__setattr__(run, "task", task.name)
    object.__setattr__(run, "options", task.options)
    return run
