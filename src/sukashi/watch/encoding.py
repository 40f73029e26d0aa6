"""Pictures and maps as data URLs, as large as a budget of bytes allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from PIL import Image
from torch import Tensor

from sukashi.rich import picture_url

LARGEST = 384  # pixels on the longer side of a picture of one step
SMALLEST = 48
SHRINK = 0.7
SPREAD = 3.0  # standard deviations of noise that reach from grey to black or white

Make = Callable[[int], Image.Image | None]


def grey(values: Tensor) -> Image.Image:
    """Values (H, W) in 0..1 as a picture of 8 bits."""
    return Image.fromarray((values.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy())


def heat(values: Tensor, top: float) -> Image.Image:
    """A map (H, W) as a picture: 0 black, ``top`` white."""
    return grey(values / (top or 1.0))


def signed(latent: Tensor, scale: float) -> Image.Image:
    """Up to three channels of (C, h, w) as red, green and blue, one pixel a cell: grey is 0, ``scale`` white."""
    channels = latent[:3].float() / (2 * (scale or 1.0)) + 0.5
    if len(channels) < 3:
        return grey(channels[0])
    array = (channels.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0)
    return Image.fromarray(array.cpu().numpy())


def series(count: int, make: Make, budget: float, largest: int = LARGEST) -> list[str | None]:
    """``make(i)`` for i = 0 ... count - 1 as URLs that take about ``budget`` characters together.

    Pictures become smaller until they fit; where ``SMALLEST`` pixels are still too many, only every second, third, ...
    picture and the last are kept, and the others are None, as is what ``make`` has no picture for.
    """
    if not count:
        return []
    samples = [found for i in {0, count // 2, count - 1} if (found := make(i)) is not None]
    if not samples:
        return [None if (found := make(i)) is None else picture_url(found, SMALLEST) for i in range(count)]
    side = min(largest, max(max(image.size) for image in samples))
    while (need := mean([len(picture_url(image, side)) for image in samples]) * count) > budget and side > SMALLEST:
        side = max(SMALLEST, int(side * SHRINK))
    every = max(1, math.ceil(need / budget))
    made = [make(i) if i % every == 0 or i == count - 1 else None for i in range(count)]
    return [None if image is None else picture_url(image, side) for image in made]


def mean(numbers: Sequence[float]) -> float:
    """Of at least one number."""
    return sum(numbers) / len(numbers)
