"""A taught word as files: diffusers' shape and A1111's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sukashi.train.outputs.metadata import model_spec
from sukashi.weights.embeddings import Embedding, read_embedding
from sukashi.weights.errors import CheckpointError
from sukashi.weights.tensors import to_be_written, write_atomically, write_safetensors

if TYPE_CHECKING:
    from sukashi.train.methods.taught import Facts

HASH_PLACE = 265  # the id of "*", which A1111 files name although nobody reads it


def file_name(word: str) -> str:
    """A word as the name of a file: "<cat-toy>" -> "cat-toy"."""
    return re.sub(r"[^\w.-]+", "_", word.strip("<>")).strip("._") or "word"


def write_word(folder: Path, word: str, vectors: Sequence[Tensor], facts: Facts) -> list[Path]:
    """Write the vectors (n, d) of a word, one tensor for each text encoder; every file is read again and compared.

    One encoder: ``NAME.safetensors`` with the word as its key (diffusers), ``NAME.pt`` (A1111, who takes the file's
    name for the word). SDXL: ``NAME.safetensors`` with ``clip_l`` and ``clip_g``, which both read.
    """
    kept = [v.detach().cpu().to(getattr(torch, facts.config.saved_as)) for v in vectors]
    name = file_name(word)
    tensors = dict(zip(["clip_l", "clip_g"] if len(kept) == 2 else [word], kept, strict=True))
    metadata = model_spec(facts, "textual-inversion", name, tensors, trigger=word)
    path = folder / f"{name}.safetensors"
    write_safetensors(path, {key: to_be_written(v) for key, v in tensors.items()}, metadata, overwrite=True)
    check(path, word, kept)
    if len(kept) == 2:
        return [path]
    old = folder / f"{name}.pt"
    content = {
        "string_to_token": {"*": HASH_PLACE},
        "string_to_param": {"*": kept[0]},
        "name": word,
        "step": facts.steps,
        "sd_checkpoint": None,
        "sd_checkpoint_name": facts.model,
    }
    write_atomically(old, lambda file: torch.save(content, file), overwrite=True)
    check(old, word, kept)
    return [path, old]


def check(path: Path, word: str, vectors: Sequence[Tensor]) -> Embedding:
    """Read a file again; CheckpointError where it does not hold these vectors to the bit."""
    found = read_embedding(path, None if len(vectors) == 1 else word)
    if found.token != word or not all(torch.equal(a, b) for a, b in zip(found.vectors, vectors, strict=True)):
        raise CheckpointError(f"{path}: what was written is not what is read again")
    return found
