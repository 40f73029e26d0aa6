"""From ``Settings`` to a denoiser, for runs that ask for more than plain guidance."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from sukashi.diffusion.denoiser import Conditioning, UNetLike, embed_guidance
from sukashi.diffusion.noise import per_picture
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Denoise, Level
from sukashi.guidance.cfgpp import SAMPLERS
from sukashi.guidance.composed import Weighted
from sukashi.guidance.making import Guidance
from sukashi.guidance.strength import measured
from sukashi.guidance.switch import switch
from sukashi.guidance.window import window
from sukashi.guides import guides
from sukashi.moments import AUTO
from sukashi.nets.unet import UNet
from sukashi.precision import guarded
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
) -> Denoise:
    """The denoiser of a run over ``levels``; ``empty`` is the empty prompt, as long as the others.

    Raises ValueError for a method that this model or sampler cannot follow.
    """
    told_guidance = stretches[0][1][0][0].guidance is not None  # an LCM is told the scale and needs no second branch
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


def settled_start(
    settings: Settings,
    net: UNet,
    plan: Plan,
    prompts: Sequence[str],
    wanted: Conditioning,
    negative: Conditioning,
    x: Tensor,
    notes: list[str],
) -> Settings:
    """The settings with the moment that ``negative_start`` "auto" stands for; ``notes`` says what there is to say.

    For "auto" the first picture of every prompt, of noise x (B, C, h, w), is drawn in ``SHORT`` steps with the negative
    prompt from the start: see ``strength``. Where the ratio is highest at the very end there is no critical step, and
    the "delayed" of the paper is taken. Raises ValueError for a U-Net that cannot draw from words alone.
    """
    unasked = settings.numbers()[3] == 1 or net.config.guidance_dim  # then only NAG hears a negative prompt
    lacks = "a negative prompt" if not settings.negative_prompt else "guidance by a second branch" if unasked else ""
    idle = bool(lacks) and not (settings.negative_prompt and "nag" in guides(settings.guide))
    if idle:
        notes.append(f"negative_start {settings.negative_start} does nothing without {lacks}")
    if settings.negative_start != AUTO:
        return settings
    if idle:
        return replace(settings, negative_start=0.0)
    taken = net.config.in_channels
    if taken != x.shape[1]:
        raise ValueError(f"negative_start is 'auto', but this U-Net takes {taken} channels: words alone do not do")
    first = [prompts.index(prompt) for prompt in dict.fromkeys(prompts)]
    guard = partial(guarded, call=lambda twin, *given, **named: twin(*given, **named), name="U-Net", notes=notes)
    levels, scale = plan.levels(min(SHORT, settings.numbers()[2])), settings.numbers()[3]
    predicts = plan.schedule.predicts
    if width := net.config.guidance_dim:
        told = embed_guidance(scale, width, len(wanted.context)).to(wanted.context)
        wanted, negative, scale = replace(wanted, guidance=told), replace(negative, guidance=told), 1.0
    denoise, found = measured(net, guard, predicts, rows(wanted, first), rows(negative, first), scale)
    start = x[first] * plan.start_scale(levels)
    with torch.no_grad():
        for _ in plan.run(denoise, start, levels, per_picture(range(len(first)), x.shape[1:], "cpu", x.device)):
            pass
    measure = f"negative_start auto: over {len(levels) - 1} steps the attention to the negative prompt"
    if not found.peaks:
        notes.append(f"{measure} was strongest at the very end, so there is no critical step; 'delayed' is taken")
        return replace(settings, negative_start="delayed")
    ratio, sigma = max(found.ratios), found.critical.ve
    when = f"sigma {sigma:.4g}" if math.isfinite(sigma) else 0.0
    notes.append(f"{measure} was strongest ({ratio:.3f} of the prompt's) at sigma {sigma:.4g}; it holds from there on")
    return replace(settings, negative_start=when)


def rows(given: Conditioning, which: Sequence[int]) -> Conditioning:
    """Some of the pictures of a conditioning."""
    kept: dict[str, Any] = {f.name: getattr(given, f.name) for f in fields(given)}
    return replace(given, **{name: value[list(which)] for name, value in kept.items() if value is not None})
