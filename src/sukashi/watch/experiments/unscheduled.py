"""Denoising without a scheduler: x <- x - ratio / N * v, and why the ratio is 1.47.

masaishi's slides on parediffusers do it with Stable Diffusion 2 and find by eye that 1.475 looks good. On the variance
preserving path x = cos(phi) x0 + sin(phi) eps, with cos(phi) = sqrt(alpha-bar), the derivative of x by the angle phi is
v = cos(phi) eps - sin(phi) x0, which is what a v-prediction model says (Salimans & Ho 2022, arXiv:2202.00512, app. D).
So a step of v times an angle turns x by that angle, and N steps of ratio / N turn it by the ratio: it must be the
angle between the last training step and the first, 1.4733 for the betas of Stable Diffusion.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.types import Denoise, Level
from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.inverting import shown
from sukashi.watch.experiments.measure import asked, contrast, facts, psnr
from sukashi.watch.plots import Line, Panel

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

SLIDES = 1.475
RATIOS = (1.0, 1.25, SLIDES, 1.75, 2.0)


def angles(schedule: NoiseSchedule) -> NDArray[np.float64]:
    """Phi of every training step, (T,): arccos(sqrt(alpha-bar)), rising to at most pi / 2."""
    return np.arccos(np.sqrt(schedule.signal))


def right_ratio(schedule: NoiseSchedule) -> float:
    """The angle from the last training step to the first: what all steps together must turn."""
    phi = angles(schedule)
    return float(phi[-1] - phi[0])


def slides_levels(schedule: NoiseSchedule, n: int) -> list[Level]:
    """What the slides tell the model: t = int(T / N (N - i - 1) + 1), equal steps in t."""
    last = schedule.steps - 1
    return [schedule.at(float(min(last, int(schedule.steps / n * (n - i - 1) + 1)))) for i in range(n)]


def even_levels(schedule: NoiseSchedule, n: int) -> list[Level]:
    """Equal steps in the angle: phi_i = phi_T (1 - i / N); t between training steps is found from the angle."""
    phi = angles(schedule)
    wanted = [float(phi[-1]) * (1 - i / n) for i in range(n)]
    ts = np.interp(wanted, phi, np.arange(len(phi)))
    return [Level(float(t), math.cos(p), math.sin(p)) for t, p in zip(ts, wanted, strict=True)]


def walk(denoise: Denoise, x: Tensor, levels: Sequence[Level], ratio: float) -> Iterator[Tensor]:
    """X (B, C, h, w) after every step of x <- x - ratio / N v. The model is told the level, whatever x has become."""
    for level in levels:
        p = denoise(x, level)
        v = level.alpha * p.eps - level.sigma * p.x0
        x = x - ratio / len(levels) * v
        yield x


class Gain(NamedTuple):
    """If the model always thought of one picture m, the loop would end at picture * m + noise * (where it began)."""

    picture: float
    noise: float


def gain(levels: Sequence[Level], ratio: float) -> Gain:
    """How much of the picture and of the first noise the loop ends with: with v = (cos(phi) x - m) / sin(phi)."""
    picture, noise, step = 0.0, 1.0, ratio / len(levels)
    for level in levels:
        keep = 1 - step * level.alpha / level.sigma
        picture, noise = keep * picture + step / level.sigma, keep * noise
    return Gain(picture, noise)


class Way(NamedTuple):
    """One of the loops that are compared."""

    label: str
    levels: list[Level]
    ratio: float


def unscheduled(
    pipe: Pipeline,
    prompt: str = "a cat eating a donut",
    *,
    ratios: Sequence[float] = RATIOS,
    steps: int = 50,
    seeds: Sequence[int] = (1, 2),
    guidance: float | None = None,
) -> Found:
    """The slides' loop with several ratios, the derived one, and with steps of equal angle, beside DDIM.

    "picture" and "noise" are the gains if the model thought of one picture all along (``gain``): right is 1 and 0.
    Works with any model, for v is made of what it predicts. Raises ValueError for fewer than 1 step.
    """
    if steps < 1:
        raise ValueError(f"{steps} steps; at least 1 is accepted")
    settings = asked(pipe, sampler="ddim", steps=steps, guidance=guidance, eta=0.0)
    plan = pipe.plan(settings)
    schedule, (width, height, _, _) = plan.schedule, settings.numbers()
    derived, turned = right_ratio(schedule), float(angles(schedule)[-1])
    slides, even = slides_levels(schedule, steps), even_levels(schedule, steps)
    ways = [Way(f"ratio {ratio:.4g}", slides, ratio) for ratio in sorted({*ratios, derived})]
    ways.append(Way("equal angles", even, turned))
    wanted, silence = (pipe.encode_prompt([text] * len(seeds)) for text in (prompt, None))
    denoise = pipe.denoiser(wanted, silence, settings, [])
    noise = pipe.get_latents(width, height, seeds=seeds)
    ended = {way.label: last(denoise, noise, way) for way in ways}
    with torch.no_grad():
        *_, final = plan.run(denoise, noise, plan.levels(steps), lambda: noise)
    reference = [shown(pipe, x[None]) for x in final.x_next]
    columns = [[shown(pipe, x[None]) for x in ended[way.label]] for way in ways]
    rows = [row(way, column, reference, derived) for way, column in zip(ways, columns, strict=True)]
    scale = [contrast(picture) for picture in reference]
    rows.append({"way": "DDIM", "ratio": None, "picture": None, "noise": None, "contrast": sum(scale) / len(scale)})
    rows[-1] |= {"PSNR to DDIM": None, "about": "the reference"}
    about: dict[str, Any] = {
        "angle of the last training step": turned,
        "of the first": float(angles(schedule)[0]),
        "ratio": derived,
    }
    return Found(
        name="unscheduled",
        title=f"Denoising {prompt!r} by x <- x - ratio / {steps} v; derived ratio {derived:.4f}, the slides' {SLIDES}",
        facts=facts(pipe, prompt=prompt, seeds=list(seeds), steps=steps, guidance=settings.guidance, **about),
        rows=rows,
        pictures=[[*(column[k] for column in columns), reference[k]] for k in range(len(seeds))],
        above=[*(way.label for way in ways), "DDIM"],
        beside=[f"seed {seed}" for seed in seeds],
        charts=[chart_of(schedule, slides, derived)],
    )


def last(denoise: Denoise, noise: Tensor, way: Way) -> Tensor:
    """Where a loop ends."""
    with torch.no_grad():
        *_, x = walk(denoise, noise, way.levels, way.ratio)
    return x


def row(way: Way, column: Sequence[Any], reference: Sequence[Any], derived: float) -> dict[str, Any]:
    """A line of the table."""
    found = gain(way.levels, way.ratio)
    near = [psnr(picture, other) for picture, other in zip(column, reference, strict=True)]
    named = {SLIDES: "the slides'", derived: "derived"}
    return {
        "way": way.label,
        "ratio": way.ratio,
        "picture": found.picture,
        "noise": found.noise,
        "contrast": sum(map(contrast, column)) / len(column),
        "PSNR to DDIM": sum(near) / len(near),
        "about": named.get(way.ratio, "equal steps in the angle" if way.label == "equal angles" else ""),
    }


def chart_of(schedule: NoiseSchedule, levels: Sequence[Level], ratio: float) -> Panel:
    """The angle the model is told beside the angle that x has reached."""
    told = [math.atan2(level.sigma, level.alpha) for level in levels]
    reached = [float(angles(schedule)[-1]) - ratio * i / len(levels) for i in range(len(levels))]
    lines = [Line("told", range(len(levels)), told), Line("reached", range(len(levels)), reached)]
    return Panel("the slides' loop: angle told and angle reached", "step", "phi", lines)
