"""SDXL's two text encoders told two different things (Podell et al. 2023, arXiv:2307.01952, sec. 2.1).

The context of SDXL is what both encoders say, side by side, and the pooled output is the second's: so the first
encoder's share is kept, and the rest comes from a second reading.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from sukashi.diffusion.denoiser import Conditioning
from sukashi.prompts.encode import chunks_needed
from sukashi.prompts.script import script
from sukashi.settings import Settings
from sukashi.weights.parts import Parts


def beside(first: Conditioning, second: Conditioning, width: int) -> Conditioning:
    """Context (B, T, D): its first ``width`` columns of ``first``, the others and all the rest of ``second``."""
    context = torch.cat([first.context[..., :width], second.context[..., width:]], dim=-1)
    return replace(second, context=context)


def encode_both(
    pipe: Any, prompts: Sequence[str], asked: Settings, steps: int, how: dict[str, Any]
) -> tuple[Conditioning, Conditioning]:
    """What the U-Net is told, wanted and unwanted, where the second encoder has a prompt of its own.

    ``how`` are options of the pipeline's ``encode_prompt``. Raises ValueError for a model with one text encoder and for
    prompts that change while drawing or are several at once.
    """
    check(pipe.parts, asked)
    second = list(prompts) if asked.prompt_2 is None else [asked.prompt_2] * len(prompts)
    negative, other = asked.negative_prompt, asked.negative_prompt_2
    if other is None:
        other = negative
    else:  # something is said, so that nothing is zeros
        negative = negative or ""
    texts = [*prompts, *second]
    scenes = [] if asked.emphasis == "none" else script(texts, [negative, other], steps)
    if len(scenes) > 1 or any(len(voices) > 1 for scene in scenes for voices in scene.wanted):
        raise ValueError("prompt_2 goes with prompts that stay the same: [a:b:0.5], [a|b] or AND cannot stand in them")
    said = [*texts, negative, other]
    chunks = 1 if asked.truncate else chunks_needed(pipe.parts, said, emphasis=asked.emphasis)
    width = pipe.parts.text_encoders[0].config.width

    def told(to_first: Sequence[str | None], to_second: Sequence[str | None]) -> Conditioning:
        read = [pipe.encode_prompt(texts, chunks=chunks, **how) for texts in (to_first, to_second)]
        return beside(read[0], read[1], width)

    return told(prompts, second), told([negative] * len(prompts), [other] * len(prompts))


def check(parts: Parts, asked: Settings) -> None:
    """Raises ValueError where there is no second encoder to be told anything, and for LoRAs named in its prompt."""
    if len(parts.text_encoders) < 2:
        name = "prompt_2" if asked.prompt_2 is not None else "negative_prompt_2"
        raise ValueError(
            f"{name} is {getattr(asked, name)!r}, but this {parts.family.title} model has one text encoder; "
            f"SDXL base has two"
        )
    if "<lora:" in f"{asked.prompt_2} {asked.negative_prompt_2}".lower():
        raise ValueError(f"prompt_2 is {asked.prompt_2!r}; LoRAs are named in the first prompt, and hold for both")
