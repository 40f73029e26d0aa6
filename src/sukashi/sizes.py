"""What SDXL is told of sizes, beside the prompt (Podell et al. 2023, arXiv:2307.01952, sec. 2.2 and app. B)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning
from sukashi.settings import Settings

AESTHETIC, UNAESTHETIC = 6.0, 2.5  # what the refiner is told of a wanted and an unwanted picture


def told_sizes(
    numbers: int,
    size: Sequence[int],
    count: int,
    *,
    original: Sequence[int] | None = None,
    crop: Sequence[int] = (0, 0),
    target: Sequence[int] | None = None,
    aesthetic: float = AESTHETIC,
) -> Tensor:
    """(count, 6): original height and width, crop top and left, target height and width.

    Sizes are given as (width, height), the crop as (left, top); ``size`` stands for what is not given. The refiner's
    five numbers end in an aesthetic score instead of the target.
    """
    (width, height), (left, top) = original or size, crop
    begun = [float(height), float(width), float(top), float(left)]
    wide, high = target or size
    return torch.tensor([[*begun, aesthetic] if numbers == 5 else [*begun, float(high), float(wide)]] * count)


def sized(given: Conditioning, asked: Settings, *, unwanted: bool = False) -> Conditioning:
    """A conditioning of SDXL's, told the sizes that the settings name; an ``unwanted`` one is told it is ugly."""
    assert given.sizes is not None
    sizes = told_sizes(
        given.sizes.shape[1],
        (asked.width or 0, asked.height or 0),
        len(given.sizes),
        original=asked.original_size,
        crop=asked.crop or (0, 0),
        target=asked.target_size,
        aesthetic=UNAESTHETIC if unwanted else AESTHETIC,
    )
    return replace(given, sizes=sizes.to(given.sizes))
