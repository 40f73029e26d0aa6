"""From ``Settings`` to a denoiser, for runs that ask for more than plain guidance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from sukashi.diffusion.denoiser import Conditioning, UNetLike
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Denoise, Level, Noise
from sukashi.guidance.cfgpp import SAMPLERS
from sukashi.guidance.composed import Weighted
from sukashi.guidance.making import Guidance
from sukashi.guidance.strength import measured
from sukashi.guidance.switch import switch
from sukashi.guidance.window import window
from sukashi.guides import guides
from sukashi.moments import PRESETS
from sukashi.settings import Settings

Guard = Callable[[nn.Module], UNetLike]
Stretch = tuple[float, Sequence[Weighted], Conditioning | None]
"""(lowest sigma as in ``switch``, what is wanted, the negative prompt or None where there is none)."""
TWO_BRANCHES = ("apg", "cfg++", "cutoff", "interval", "perp-neg")
SHORT = 10  # steps of the run that looks for the critical step


def steered_as(
    settings: Settings,
    net: nn.Module,
    guard: Guard,
    plan: Plan,
    levels: Sequence[Level],
    stretches: Sequence[Stretch],
    empty: Conditioning,
    told_guidance: bool = False,
) -> Denoise:
    """The denoiser of a run over ``levels``; ``empty`` is the empty prompt, as long as the others.

    ``told_guidance`` is for models that are told the scale as a number and need no second branch (LCM). Raises
    ValueError for a method that this model or sampler cannot follow.
    """
    methods, scale = guides(settings.guide), settings.numbers()[3]
    if "cfg++" in methods and plan.sampler not in SAMPLERS:
        raise ValueError(f"cfg++ cannot be sampled with {plan.sampler}: {' and '.join(SAMPLERS)} can follow it")
    unfit = [name for name in methods if name in TWO_BRANCHES]
    unfit += ["negative_scale"] * (settings.negative_scale is not None)
    if told_guidance and unfit:
        raise ValueError(f"{unfit[0]} needs an unwanted branch, and this model is told its guidance as a number")
    guidance = Guidance(
        unet=net,
        guard=guard,
        predicts=plan.schedule.predicts,
        scale=scale,
        rescale=settings.rescale,
        negative_scale=settings.negative_scale,
        methods=methods,
    )
    inside = window(settings.negative_start, settings.negative_stop, levels)
    weak = None if told_guidance else empty
    segments = []
    for lowest, wanted, negative in stretches:
        attended = empty if negative is None and "nag" in methods else negative
        denoise = guidance.denoiser(wanted, weak, attended, inside, settings.negative_outside, levels)
        segments.append((lowest, denoise))
    return switch(segments)


def critical_step(
    net: nn.Module,
    guard: Guard,
    plan: Plan,
    levels: Sequence[Level],
    wanted: Conditioning,
    negative: Conditioning,
    scale: float,
    x: Tensor,
    noise: Noise,
) -> tuple[int, str]:
    """The first step of a run over ``levels`` after the critical one, and the sentence that says so.

    x (B, C, h, w) is drawn in ``SHORT`` steps first, with the negative prompt from the start: see ``strength``. Where
    the ratio is highest at the very end there is no critical step, and the paper's fraction of the run is taken.
    """
    n = min(SHORT, len(levels) - 1)
    denoise, found = measured(net, guard, plan.schedule.predicts, wanted, negative, scale)
    with torch.no_grad():
        for _ in plan.run(denoise, x, plan.levels(n), noise):
            pass
    last = len(levels) - 1
    if not found.peaks:
        step = int(PRESETS["delayed"][0] * last)
        return step, (
            f"negative_start auto: in {n} steps the attention to the negative prompt only grew beside the prompt's, so "
            f"there is no critical step; the paper's for nouns is taken, step {step} of {last}"
        )
    step, ratio, sigma = found.step(levels), max(found.ratios), found.critical.ve
    return step, (
        f"negative_start auto: attention to the negative prompt is strongest ({ratio:.3f} of the prompt's) at sigma "
        f"{sigma:.3g}, found in {n} steps; it holds from step {step} of {last} on"
    )


def rows(given: Conditioning, which: Sequence[int]) -> Conditioning:
    """Some of the pictures of a conditioning."""
    kept: dict[str, Any] = {f.name: getattr(given, f.name) for f in fields(given)}
    return replace(given, **{name: value[list(which)] for name, value in kept.items() if value is not None})
