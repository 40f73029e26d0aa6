"""Samplers side by side: the same noise, as many steps, another way to walk."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sukashi.diffusion.registry import SAMPLERS
from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.measure import change, facts

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

NAMES = ("ddim", "euler", "heun", "dpmpp_2m", "unipc", "euler_a", "dpmpp_2m_sde")


def samplers(
    pipe: Pipeline,
    prompt: str = "a cat in a red scarf",
    *,
    names: Sequence[str] = NAMES,
    steps: Sequence[int] = (4, 8, 16),
    grid: str | None = "uniform",
    seed: int = 1,
    fine: int = 100,
    **options: Any,
) -> Found:
    """Every sampler in every number of steps, on one grid so that all begin at the same noise.

    Without fresh noise all of them approach one picture, the solution of the probability-flow equation (Song et al.
    2021, arXiv:2011.13456, eq. 13); it is drawn by Heun's method in ``fine`` steps, and "distance" is the root mean
    square between the final latents. Samplers with fresh noise go elsewhere, however many steps they take.
    """
    target = pipe(prompt, seed=seed, sampler="heun", grid=grid, steps=fine, **options)
    results = [[pipe(prompt, seed=seed, sampler=name, grid=grid, steps=n, **options) for n in steps] for name in names]
    rows = []
    for row in results:
        for result in row:
            noisy = pipe.plan(result.requests[0]).stochastic
            rows.append(
                {
                    "sampler": SAMPLERS[result.sampler].label,
                    "grid": result.grid,
                    "steps": result.requests[0].steps,
                    "calls": result.calls,
                    "fresh noise": "yes" if noisy else "no",
                    "distance": float((result.latents - target.latents).float().square().mean().sqrt()),
                    "change of 255": change(result.images[0], target.images[0]),
                    "seconds": round(result.seconds, 2),
                }
            )
    return Found(
        name="samplers",
        title=f"{len(names)} samplers for {prompt!r}; distance to Heun's method in {fine} steps",
        facts=facts(pipe, target) | {"sampler": list(names), "steps": list(steps), "grid": grid},
        rows=rows,
        pictures=[*([result.images[0] for result in row] for row in results), [target.images[0]] * len(steps)],
        above=[f"{n} steps" for n in steps],
        beside=[*(SAMPLERS[row[0].sampler].label for row in results), f"{fine} of Heun"],
    )
