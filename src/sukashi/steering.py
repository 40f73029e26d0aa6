"""From what is told to a denoiser: the U-Net guarded, with adapters around it, guided as the settings say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from torch import Tensor

from sukashi.adapters.steering import steered, tell
from sukashi.adapters.use import acts_of
from sukashi.beginning import Guide
from sukashi.diffusion.denoiser import Conditioning, embed_guidance, guided
from sukashi.diffusion.types import Denoise, Level
from sukashi.fast.deepcache import deep_cached
from sukashi.fast.tgate import closing, gating
from sukashi.guidance.asked import steered_as
from sukashi.nets.unet import UNet
from sukashi.precision import guarded
from sukashi.settings import Settings

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline
    from sukashi.prompts.told import Told


def steered_denoiser(
    pipe: Pipeline,
    wanted: Conditioning,
    unwanted: Conditioning | None,
    settings: Settings,
    notes: list[str],
    guide: Guide | None = None,
    *,
    levels: Sequence[Level],
    script: Sequence[Told] = (),
) -> Denoise:
    """The U-Net of a pipeline with its adapters, guided as the settings say, or as a task's ``guide`` does.

    Does what ``Pipeline.denoiser`` does, bit for bit, where nothing of that is asked. A ``script`` goes before
    ``wanted`` and ``unwanted``: what is told when, where a prompt changes or is several.
    """
    call: Callable[..., Tensor] = lambda net, *inputs, **named: pipe.quick(net)(*inputs, **named)  # noqa: E731
    guard = partial(guarded, call=call, name="U-Net", notes=notes)
    net = shortened(pipe.unet, settings, notes)
    unet, around, empty, negative = guard(net), guard, None, None
    held = (settings.negative_start, settings.negative_stop, settings.negative_scale)
    if settings.guide or held != (0, None, None) or script:
        if unwanted is None:
            raise ValueError("guide and the window and scale of a negative prompt need an unwanted prompt")
        empty = silence(pipe, unwanted, settings)
        negative = unwanted if settings.negative_prompt is not None else None
    if pipe.uses or settings.controls:
        acts = acts_of(pipe.uses, settings, levels, notes, pipe.quick)
        around = partial(steered, guard=guard, acts=acts)
        unet, wanted = around(net), tell(wanted, acts, wanted=True)
        if settings.tgate is not None and any(act.tokens for act in acts):
            raise ValueError("tgate does not go with an image prompt: both work on the attention to the prompt")
        unwanted = unwanted and tell(unwanted, acts, wanted=False)
        empty, negative = (one and tell(one, acts, wanted=False) for one in (empty, negative))
        as_wanted, as_unwanted = (partial(tell, acts=acts, wanted=which) for which in (True, False))
        script = [one.mapped(as_wanted, as_unwanted) for one in script]
    guidance = settings.numbers()[3]
    if width := pipe.unet.config.guidance_dim:  # an LCM is told the scale and needs no second branch
        told = embed_guidance(guidance, width, len(wanted.context)).to(wanted.context)
        wanted, unwanted = replace(wanted, guidance=told), None
        script = [one.mapped(partial(replace, guidance=told), lambda given: given) for one in script]
    predicts = pipe.published.schedule.predicts
    if settings.tgate is not None:
        if guide or empty is not None:
            raise ValueError("tgate goes with plain guidance alone: no guide, window, AND, [a:b:3] or task that guides")
        close = closing(settings.tgate, levels, notes)
        return gating(net, around, predicts, wanted, unwanted, guidance, settings.rescale, close)
    if empty is not None:
        if guide:
            raise ValueError("this task has guidance of its own; neither windows, guide, AND nor [a:b:3]")
        said = settings.negative_prompt is not None
        stretches = [(one.lowest, one.wanted, one.unwanted if said else None) for one in script]
        stretches = stretches or [(0.0, [(wanted, 1.0)], negative)]
        return steered_as(settings, net, around, pipe.plan(settings), levels, stretches, empty)
    if guide and unwanted is not None:
        return guide(unet, predicts, wanted, unwanted, guidance)
    how = (predicts, wanted, unwanted, guidance, settings.rescale)
    plain = guided(unet, *how)
    return plain if around is not guard else pipe.whole_step(net, plain, how)


def shortened(net: UNet, settings: Settings, notes: list[str]) -> UNet:
    """The U-Net itself, or with DeepCache where the settings ask for it; ``notes`` says so."""
    if settings.deepcache is None:
        return net
    every, branch = (*settings.deepcache, 0)[:2] if isinstance(settings.deepcache, list) else (settings.deepcache, 0)
    note = f"deepcache: the whole U-Net every {every} calls, an approximation"
    if every > 1 and note not in notes:
        notes.append(note)
    return deep_cached(net, every, branch)


def silence(pipe: Pipeline, given: Conditioning, settings: Settings) -> Conditioning:
    """The empty prompt in the place of ``given``, as long and with everything else that the U-Net is told."""
    chunks, nobody = given.context.shape[1] // pipe.tokens, [None] * len(given.context)
    nothing = pipe.encode_prompt(nobody, clip_skip=settings.clip_skip, chunks=chunks)
    return replace(given, context=nothing.context, pooled=nothing.pooled)
