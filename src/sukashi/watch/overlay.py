"""A map laid over its picture: what is attended to stays lit, the rest goes dark."""

from __future__ import annotations

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

DARK, LIT = (24, 28, 64), (255, 140, 0)
HIDES, TINTS = 0.78, 0.22  # how much of the picture the dark and the lit colour take


def stretched(heat: Tensor, height: int, width: int) -> Tensor:
    """A map (h, w) at the size of a picture, (height, width), from 0 to 1: bicubic, as the authors of DAAM show them.

    A map that is the same everywhere is 0 everywhere.
    """
    large = F.interpolate(heat.float()[None, None], size=(height, width), mode="bicubic")[0, 0]
    return (large - large.min()) / (large.max() - large.min() + 1e-8)


def overlay(picture: Image.Image, heat: Tensor) -> Image.Image:
    """A map (h, w) over an RGB picture of any size."""
    lit = stretched(heat, picture.height, picture.width).cpu().numpy()[..., None]
    shown = np.asarray(picture.convert("RGB"), dtype=np.float64)
    dark = shown * (1 - HIDES) + HIDES * np.array(DARK)
    bright = shown * (1 - TINTS) + TINTS * np.array(LIT)
    return Image.fromarray((lit * bright + (1 - lit) * dark).round().clip(0, 255).astype(np.uint8))


def outlined(picture: Image.Image, mask: Tensor, ink: tuple[int, int, int] = (255, 255, 255)) -> Image.Image:
    """A picture with the edge of a mask (H, W) of its size drawn in ``ink``."""
    inside = mask.float()[None, None]
    shrunk = -F.max_pool2d(-inside, 3, stride=1, padding=1)
    edge = ((inside - shrunk)[0, 0] > 0).numpy()
    shown = np.asarray(picture.convert("RGB")).copy()
    shown[edge] = ink
    return Image.fromarray(shown)


def rows_of(tiles: list[Image.Image], columns: int) -> Image.Image:
    """Tiles of one size side by side, ``columns`` in a row, on white."""
    width, height = tiles[0].size
    paper = Image.new("RGB", (columns * width, -(-len(tiles) // columns) * height), "white")
    for k, tile in enumerate(tiles):
        paper.paste(tile, (k % columns * width, k // columns * height))
    return paper
