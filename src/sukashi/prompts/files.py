"""Prompt embeddings as files: what the U-Net is told, as a safetensors file, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning
from sukashi.weights.errors import CheckpointError
from sukashi.weights.tensors import open_tensors, to_be_written, write_safetensors

FORMAT = "sukashi prompt"
NAMES = tuple(f.name for f in fields(Conditioning))
SPOKEN = {"prompt_embeds": "context", "pooled_prompt_embeds": "pooled"}  # diffusers' names for the same


def conditioning_from(tensors: Mapping[str, Tensor], source: str = "the prompt embeddings") -> Conditioning:
    """Tensors by name -> what the U-Net is told: ``context`` (B, T, D) or (T, D), for SDXL also ``pooled`` (B, P).

    diffusers' names, ``prompt_embeds`` and ``pooled_prompt_embeds``, are understood. Raises ValueError for other names
    and shapes, naming them.
    """
    named = {SPOKEN.get(name, name): tensor for name, tensor in tensors.items()}
    if "context" not in named or set(named) - set(NAMES):
        held = ", ".join(sorted(tensors)) or "nothing"
        raise ValueError(f"{source} hold {held}; accepted are context (or prompt_embeds), {', '.join(NAMES[1:])}")
    if named["context"].ndim == 2:  # one prompt without a batch: (T, D) -> (1, T, D)
        named["context"] = named["context"][None]
    if named["context"].ndim != 3:
        raise ValueError(f"{source}: context is {tuple(named['context'].shape)}, not (prompts, tokens, width)")
    wrong = {name for name, tensor in named.items() if len(tensor) != len(named["context"])}
    if wrong:
        name = sorted(wrong)[0]
        raise ValueError(f"{source}: {name} is for {len(named[name])} prompts, context for {len(named['context'])}")
    return Conditioning(**named)


def save_conditioning(told: Conditioning, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a conditioning as a safetensors file; FileExistsError where there is one, unless ``overwrite``."""
    values = {name: getattr(told, name) for name in NAMES}
    tensors = {name: to_be_written(value) for name, value in values.items() if value is not None}
    write_safetensors(Path(path), tensors, {"format": FORMAT}, overwrite=overwrite)
    return Path(path)


def load_conditioning(path: str | os.PathLike[str]) -> Conditioning:
    """Read what ``save_conditioning`` wrote, or a file with diffusers' names for the tensors.

    Raises FileNotFoundError, or CheckpointError for a file that is no safetensors file or holds other tensors.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file of prompt embeddings at {path}")
    try:
        return conditioning_from({name: tensor.read() for name, tensor in open_tensors(Path(path)).items()}, str(path))
    except ValueError as error:
        raise CheckpointError(str(error)) from error
