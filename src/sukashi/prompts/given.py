"""Prompt embeddings in the place of a prompt: how runs name them, and how they are made to fit a model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from sukashi.diffusion.denoiser import Conditioning
from sukashi.prompts.blend import mapped, repeated

MARK = re.compile(r"<embeddings [0-9a-f]{16}>")


def named(prompt: Any, options: Mapping[str, Any]) -> tuple[str | list[str], dict[str, Any], dict[str, Conditioning]]:
    """Prompt and options with names in the place of prompt embeddings, as records keep them, and these by name.

    Embeddings of several prompts, (B, T, D), are B pictures; as a negative prompt they are one, or B.
    """
    given: dict[str, Conditioning] = {}
    unwanted = options.get("negative_prompt")
    if isinstance(prompt, Conditioning):
        given[name := name_of(prompt)] = prompt
        prompt = [name] * len(prompt.context)
    if isinstance(unwanted, Conditioning):
        given[name := name_of(unwanted)] = unwanted
        unwanted = name
    return prompt, {**options, "negative_prompt": unwanted}, given


def name_of(told: Conditioning) -> str:
    """A name that other embeddings do not have."""
    numbers = told.context.detach().float().cpu().contiguous().numpy()
    return f"<embeddings {hashlib.sha256(numbers.tobytes()).hexdigest()[:16]}>"


def refuse_unknown(text: str | None, given: Mapping[str, Conditioning]) -> None:
    """Raise ValueError for the name of prompt embeddings that are not there, as in the replay of a record."""
    if MARK.fullmatch(text or "") and text not in given:
        raise ValueError(f"{text}: the picture was drawn from prompt embeddings; give them in the place of the prompt")


def fitted(told: Conditioning, empty: Conditioning, tokens: int) -> Conditioning:
    """Embeddings made ready for a run: one for each picture of ``empty`` (the empty prompt), (B, ``tokens``, D).

    Missing sizes of SDXL are those of ``empty``, missing chunks are empty. Raises ValueError for another width, for
    a length that does not go into ``tokens``, and where SDXL's pooled output is missing.
    """
    device, dtype = empty.context.device, empty.context.dtype
    have, width, like = told.context.shape[1], told.context.shape[2], empty.context.shape
    if width != like[2]:
        raise ValueError(f"the prompt embeddings are {width} wide; this model is told of words in {like[2]} numbers")
    if (tokens - have) % like[1]:
        raise ValueError(f"prompt embeddings of {have} tokens cannot stand beside a prompt of {tokens}")
    if empty.pooled is not None and told.pooled is None:
        raise ValueError("the prompt embeddings have no pooled output, which this model needs (pooled_prompt_embeds)")
    told = mapped(repeated(told, like[0]), lambda tensor: tensor.to(device, dtype))
    more = empty.context.repeat(1, (tokens - have) // like[1], 1)  # empty chunks behind the given ones
    return replace(
        told,
        context=torch.cat([told.context, more], dim=1),
        pooled=told.pooled if empty.pooled is not None else None,
        sizes=empty.sizes if told.sizes is None else told.sizes,
    )
