"""A tiny model in a folder, opened by us and by diffusers; prompts go from ours to theirs as embeddings."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

import sukashi
from sukashi.pipeline import Pipeline
from sukashi.weights.save import save_folder
from tiny_models import tiny_model

PROMPT, NEGATIVE = "a cat", "blurred"
ASKED = dict(steps=4, guidance=6.0, sampler="ddim", seed=3)


def model_folder(name: str, folder: Path) -> Path:
    """The tiny model of this family, saved."""
    save_folder(tiny_model(name), folder / name)
    return folder / name


def ours(folder: Path) -> Pipeline:
    """Our pipeline of a folder."""
    return sukashi.load(folder, device="cpu", dtype=torch.float32)


def theirs(kind: str, folder: Path, **parts: Any) -> Any:
    """Diffusers' pipeline of this class over the folder, with DDIM."""
    import diffusers

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = getattr(diffusers, kind).from_pretrained(folder, **parts)
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn_by_diffusers(pipe: Any, like: Pipeline, width: int, height: int, **options: Any) -> torch.Tensor:
    """Latents of a run of theirs that asks what ``ASKED`` asks of ours."""
    told = like.encode_prompt(PROMPT, size=(width, height)), like.encode_prompt(NEGATIVE, size=(width, height))
    named = dict(prompt_embeds=told[0].context, negative_prompt_embeds=told[1].context)
    if told[0].pooled is not None:
        named |= dict(pooled_prompt_embeds=told[0].pooled, negative_pooled_prompt_embeds=told[1].pooled)
    out: torch.Tensor = pipe(
        width=width,
        height=height,
        num_inference_steps=ASKED["steps"],
        guidance_scale=ASKED["guidance"],
        latents=like.get_latents(width, height, seeds=[3]),
        output_type="latent",
        **named,
        **options,
    ).images
    return out


def drawn_by_us(pipe: Pipeline, width: int, height: int, **options: Any) -> torch.Tensor:
    """Latents of a run of ours."""
    return pipe(PROMPT, negative_prompt=NEGATIVE, width=width, height=height, **ASKED, **options).latents
