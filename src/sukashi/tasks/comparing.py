"""How two pictures differ."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image


class Comparison(NamedTuple):
    """How two pictures differ, in levels of 0 .. 255."""

    largest: int
    mean: float
    psnr: float  # decibels; infinite for equal pictures

    def within(self, tolerance: int) -> bool:
        """Whether no value differs by more than ``tolerance``."""
        return self.largest <= tolerance


def compare(a: Image.Image, b: Image.Image) -> Comparison:
    """Compare two pictures value by value. Raises ValueError when their sizes differ."""
    if a.size != b.size:
        raise ValueError(f"the pictures are {a.width} x {a.height} and {b.width} x {b.height}: they cannot be compared")
    first, second = (np.asarray(picture.convert("RGB"), dtype=np.int64) for picture in (a, b))
    apart = np.abs(first - second)
    mse = float((apart**2).mean())
    psnr = 10 * math.log10(255**2 / mse) if mse else math.inf
    return Comparison(int(apart.max()), float(apart.mean()), psnr)
