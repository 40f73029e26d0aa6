"""A run with everything that can steer it: other tasks, long and changing prompts, LoRAs, adapters, negative windows.

``Pipeline.steps`` is the same for words as they stand, noise and a U-Net, and hands over here for the rest. A run that
asks for none of it comes out the same, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from torch import Tensor

from sukashi.beginning import Task
from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.noise import of_any_shape
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Level, Noise, Step
from sukashi.guidance.asked import settled_start
from sukashi.named import run_with_named
from sukashi.prompts.given import named
from sukashi.prompts.reading import hear
from sukashi.prompts.second import encode_both
from sukashi.prompts.told import Told
from sukashi.run import Run
from sukashi.seamless import around
from sukashi.seeds import first_noise, requests_of
from sukashi.settings import Settings
from sukashi.sizes import sized
from sukashi.steering import steered_denoiser
from sukashi.text import SYNTAX

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline, Prepare, Prompt


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request made ready to be told to the U-Net."""

    settings: Settings
    prompts: list[str]  # one per picture
    levels: list[Level]  # those that are walked
    given: Mapping[str, Conditioning]  # prompt embeddings by the names that stand for them
    task: bool  # something else than text-to-image
    notes: list[str]


@dataclass(frozen=True, kw_only=True)
class Heard:
    """What the U-Net is told: at first, and the ``script`` where that changes or is several."""

    wanted: Conditioning
    unwanted: Conditioning
    script: Sequence[Told] = ()


def elaborate(
    pipe: Pipeline,
    prompt: Prompt,
    prepare: Prepare | None,
    given: Mapping[str, Conditioning],
    options: dict[str, Any],
) -> Run:
    """The run of ``Pipeline.steps``, whatever is asked. Raises ValueError for what does not go together."""
    if isinstance(prompt, Conditioning) or isinstance(options.get("negative_prompt"), Conditioning):
        prompt, options, given = named(prompt, options)
    settings = Settings(**options).filled(pipe.defaults)
    prompts = [p for p in ([prompt] if isinstance(prompt, str) else prompt) for _ in range(settings.count)]
    if names_something(pipe, prompts, settings):
        own = {**options, "prepare": prepare, "given": given}
        if run := run_with_named(pipe, prompts, settings, own):
            return run
    if settings.seamless and not pipe.wraps:
        return elaborate(around(pipe, settings.seamless), prompt, prepare, given, options)
    width, height, n, _ = settings.numbers()
    requests, notes = requests_of(settings, prompts), list[str]()
    seeds = [request.seed or 0 for request in requests]
    if settings.variation and requests:
        settings = replace(settings, variation_seed=requests[0].variation_seed)
    shape, plan = pipe.latent_shape(width, height), pipe.plan(settings)
    task = prepare(pipe, settings, seeds, plan, notes) if prepare else None
    levels = task.levels[task.first : task.last + 1] if task else plan.levels(n)
    asked = Asked(settings=settings, prompts=prompts, levels=levels, given=given, task=task is not None, notes=notes)
    heard = encoded(pipe, asked)
    if settings.negative_start:
        x = pipe.get_latents(width, height, seeds=seeds, rng=settings.rng)
        settings = settled_start(settings, pipe.unet, plan, prompts, heard.wanted, heard.unwanted, x, notes)
        requests = [replace(request, negative_start=settings.negative_start) for request in requests]
    facts: dict[str, Any] = {"requests": requests, "sampler": plan.sampler, "grid": plan.grid, "notes": notes}
    facts["levels"] = levels
    if task:
        facts |= {"task": task.name, "options": task.options, "calls": task.calls, "x": task.begin().x}
        return Run(walk=lambda: walk_task(pipe, task, plan, heard, settings, notes), **facts)

    def start() -> tuple[Tensor, Noise]:
        draw = of_any_shape(seeds, settings.rng, pipe.device)
        x = first_noise(settings, draw, shape, pipe.device) * plan.start_scale(levels)
        return x, lambda: draw(shape)

    def walk() -> Iterator[Step]:
        x, noise = start()
        told = (heard.wanted, heard.unwanted)
        denoise = steered_denoiser(pipe, *told, settings, notes, levels=levels, script=heard.script)
        return plan.run(denoise, x, levels, noise)

    return Run(x=start()[0], walk=walk, calls=plan.calls(n), **facts)


def names_something(pipe: Pipeline, prompts: Sequence[str], settings: Settings) -> bool:
    """Whether LoRAs or words may be asked for that the pipeline does not have yet."""
    said = (*prompts, settings.negative_prompt, settings.prompt_2, settings.negative_prompt_2)
    if any("<" in text or "embedding:" in text for text in filter(None, said)):
        return True
    fields = ("loras", "embeddings")
    return bool(pipe.words) or any(getattr(settings, name) != pipe.defaults.get(name) for name in fields)


def encoded(pipe: Pipeline, asked: Asked) -> Heard:
    """The prompts of a run, encoded; what there is to say about them goes to the notes."""
    settings, prompts = asked.settings, asked.prompts
    how: dict[str, Any] = {"emphasis": settings.emphasis, "truncate": settings.truncate}
    how |= {"clip_skip": settings.clip_skip, "size": settings.numbers()[:2], "notes": asked.notes}
    texts = [text for text in (*prompts, settings.negative_prompt) if text]
    syntax = settings.emphasis != "none" and SYNTAX.search("\n".join(texts))
    long = not settings.truncate and any(pipe.parts.tokenizers[0].cut(text, pipe.tokens) for text in texts)
    second = settings.prompt_2 is not None or settings.negative_prompt_2 is not None
    if second and asked.given:
        raise ValueError("prompt_2 goes with a prompt in words, not with prompt embeddings: they hold both readings")
    if not second and (asked.given or syntax or long):
        wanted, unwanted, script = hear(pipe, prompts, settings, asked.levels, asked.given, how, asked.task)
        return Heard(wanted=wanted, unwanted=unwanted, script=script)
    asked.notes[:0] = pipe.remarks(prompts, task=asked.task)
    if second:
        wanted, unwanted = encode_both(pipe, prompts, settings, len(asked.levels) - 1, how)
    else:
        wanted = pipe.encode_prompt(prompts, **how)
        unwanted = pipe.encode_prompt([settings.negative_prompt] * len(prompts), **how)
    if pipe.size_numbers:  # SDXL
        wanted, unwanted = sized(wanted, settings), sized(unwanted, settings, unwanted=True)
    return Heard(wanted=wanted, unwanted=unwanted)


def walk_task(
    pipe: Pipeline, task: Task, plan: Plan, heard: Heard, settings: Settings, notes: list[str]
) -> Iterator[Step]:
    """Start the sampler where a task begins."""
    begun = task.begin()
    wanted, unwanted = begun.tell(heard.wanted), begun.tell(heard.unwanted)
    levels = task.levels[task.first : task.last + 1]
    script = [one.mapped(begun.tell) for one in heard.script]
    denoise = steered_denoiser(pipe, wanted, unwanted, settings, notes, task.guide, levels=levels, script=script)
    steps = plan.run(begun.wrap(denoise) if begun.wrap else denoise, begun.x, task.levels, begun.noise, task.first)
    return islice(steps, task.last - task.first)
