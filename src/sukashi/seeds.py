"""Which picture of a batch has which seed, and the noise it starts from."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sukashi.diffusion.noise import Draw, of_any_shape
from sukashi.diffusion.variation import varied
from sukashi.settings import Settings


def requests_of(asked: Settings, prompts: Sequence[str]) -> list[Settings]:
    """One request per prompt: seed, seed + 1, ...; for variations one seed and variation_seed, + 1, ... as in A1111.

    A seed that is not given is drawn.
    """
    first = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    if not asked.variation:
        return [replace(asked, prompt=p, seed=first + k, count=1) for k, p in enumerate(prompts)]
    other = secrets.randbelow(2**32) if asked.variation_seed is None else asked.variation_seed
    return [replace(asked, prompt=p, seed=first, variation_seed=other + k, count=1) for k, p in enumerate(prompts)]


def first_noise(asked: Settings, draw: Draw, shape: Sequence[int], device: torch.device | str) -> Tensor:
    """The noise (B, *shape) that a run starts from: drawn, and turned towards another seed's where that is asked."""
    noise = draw(shape)
    if not asked.variation:
        return noise
    other = asked.variation_seed or 0
    return varied(noise, of_any_shape(range(other, other + len(noise)), asked.rng, device)(shape), asked.variation)
