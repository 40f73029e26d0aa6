"""Pictures shown smaller and larger than they are, with the words for it: the augmentation of Custom Diffusion.

Kumari et al. 2022, arXiv:2212.04488, sec. 3.2 and app.: two times in three a picture is shrunk by 1/3 to 1 and laid
somewhere on gray, else enlarged by 1.2 to 1.4 and cut; the caption says so; only cells inside it count for the loss.
The numbers and words are those of its code and of diffusers' ``train_custom_diffusion.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import torch
from torch import Tensor

from sukashi.train.data.buckets import Size

OFTEN, SHRUNK, ENLARGED = 0.66, (1 / 3, 1.0), (1.2, 1.4)
FAR, NEAR = ("a far away", "very small"), ("zoomed in", "close up")
STILL_USUAL = 0.6  # a picture that is no smaller needs no words
GRAY = (128, 128, 128)


def zoomed(covering: Size, rng: Random) -> Size:
    """The size by chance of a picture that would just cover its bucket at ``covering``."""
    least, most = SHRUNK if rng.random() < OFTEN else ENLARGED
    share = least + rng.random() * (most - least)
    return max(1, round(covering[0] * share)), max(1, round(covering[1] * share))


def share_of(shrunk: Size, size: Size) -> float:
    """By how much a picture was zoomed: below 1 it leaves some of its bucket free."""
    return min(shrunk[0] / size[0], shrunk[1] / size[1])


def told(caption: str, share: float, chance: float) -> str:
    """The caption of a picture zoomed by ``share``: "very small <new> dog"; ``chance`` in [0, 1) picks the words."""
    if STILL_USUAL <= share <= 1:
        return caption
    words = FAR if share < STILL_USUAL else NEAR
    return f"{words[int(chance * len(words))]} {caption.removeprefix('a ')}"


def inside(size: Size, shrunk: Size, crop: Sequence[int], flipped: bool, cell: int) -> Tensor:
    """(h, w): 1 for the latent cells that the picture fills, less one at each of its edges, else 0.

    ``cell`` is the side of a cell in pixels. At least one cell is 1 (the script divides by zero there).
    """
    columns, rows = (along(*axis, cell) for axis in zip(size, shrunk, crop, strict=True))
    mask = rows[:, None] * columns
    return mask.flip(1) if flipped else mask


def along(size: int, shrunk: int, crop: int, cell: int) -> Tensor:
    """The same of one axis."""
    mask = torch.ones(size // cell)
    if shrunk >= size:
        return mask
    first, last = -crop // cell + 1, (shrunk - crop) // cell - 1
    if last <= first:
        first = min((shrunk // 2 - crop) // cell, len(mask) - 1)
        last = first + 1
    mask[:first], mask[last:] = 0, 0
    return mask
