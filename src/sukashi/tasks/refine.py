"""SDXL in two models: the base walks down to a noise level and its refiner goes on (Podell et al. 2023, sec. 2.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from sukashi.beginning import Beginning, Task
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Level
from sukashi.loading import load
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.seeds import first_noise
from sukashi.settings import Settings
from sukashi.tasks.driving import Show, perform
from sukashi.tasks.image import refuse_channels
from sukashi.tasks.latents import source
from sukashi.tasks.strength import calls_of


def refine(
    pipe: Pipeline,
    prompt: str | Sequence[str] = "",
    *,
    refiner: Pipeline | str,
    switch: float = 0.8,
    show: Show = iter,
    **options: Any,
) -> Result:
    """Draw with ``pipe`` for the first ``switch`` of the noise and with ``refiner`` (a pipeline or its name) after it.

    The latents are handed over as they are, noisy: no noise is added and nothing decoded in between. ``switch`` is
    diffusers' ``denoising_end``, a share of the training steps. Raises ValueError where latents do not fit.
    """
    if not 0 < switch < 1:
        raise ValueError(f"switch is {switch!r}; a number between 0 and 1 is accepted")
    second = load(refiner) if isinstance(refiner, str) else refiner
    if second.vae.config.scale != pipe.vae.config.scale or second.vae.config.factor != pipe.vae.config.factor:
        raise ValueError(f"{second.name} cannot refine {pipe.name}: their autoencoders have different latents")
    record = {"refiner": second.name, "switch": switch}

    def base(pipe: Pipeline, asked: Settings, seeds: Sequence[int], plan: Plan, said: list[str]) -> Task:
        refuse_channels(pipe, 4, "text-to-image")
        levels = plan.levels(n := asked.numbers()[2])
        cut = passed(levels, plan, switch)
        said.append(f"{cut} of {n} steps by {pipe.name}, the rest by {second.name}")
        shape = pipe.latent_shape(*asked.numbers()[:2])

        def begin() -> Beginning:
            draw = source(pipe, asked, seeds)
            x = first_noise(asked, draw, shape, pipe.device) * plan.start_scale(levels)
            return Beginning(x=x, noise=lambda: draw(shape))

        where: dict[str, Any] = {"levels": levels, "first": 0, "last": cut, "calls": cut * plan.calls(n) // n}
        return Task(name="refine", begin=begin, options=[record] * len(seeds), **where)

    run = pipe.steps(prompt, base, **options)
    x = run.x
    for step in show(run):
        x = step.x_next
    prompts = [request.prompt for request in run.requests]
    again = options | {
        name: getattr(run.requests[0], name) for name in ("seed", "steps", "width", "height", "guidance")
    }
    result = perform(second, prompts, continued(x, switch), show, **(again | {"count": 1}))
    notes = [*run.notes, *(note for note in result.notes if note not in run.notes)]
    calls = run.calls + result.calls
    made: dict[str, Any] = {"task": "refine", "options": run.options, "requests": run.requests}
    return replace(result, model=pipe.name, loading=pipe.loading, notes=notes, calls=calls, **made)


def continued(x: Tensor, switch: float) -> Any:
    """A task that goes on with x (B, C, h, w) where ``switch`` of the noise is gone."""

    def prepare(pipe: Pipeline, asked: Settings, seeds: Sequence[int], plan: Plan, said: list[str]) -> Task:
        refuse_channels(pipe, 4, "the refiner's part")
        levels = plan.levels(n := asked.numbers()[2])
        first = passed(levels, plan, switch)

        def begin() -> Beginning:
            draw = source(pipe, asked, seeds)
            return Beginning(x=x.to(pipe.device), noise=lambda: draw(x.shape[1:]))

        where: dict[str, Any] = {"levels": levels, "first": first, "last": n, "calls": calls_of(plan, n, n - first)}
        return Task(name="refine", begin=begin, options=[{}] * len(seeds), **where)

    return prepare


def passed(levels: Sequence[Level], plan: Plan, switch: float) -> int:
    """How many steps begin at or above the training step where ``switch`` of them have gone by."""
    cutoff = round(plan.schedule.steps * (1 - switch))
    return sum(level.t >= cutoff for level in levels[:-1])
