"""Numbers about pictures, and the facts of an experiment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageChops

from sukashi.run import Result
from sukashi.settings import Settings

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def pixels(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(H, W, 3) in 0..255."""
    return np.asarray(picture.convert("RGB"), dtype=np.float64)


def change(a: Image.Image, b: Image.Image) -> float:
    """Mean difference of two pictures, of 255."""
    return float(np.abs(pixels(a) - pixels(b)).mean())


def psnr(a: Image.Image, b: Image.Image) -> float:
    """Peak signal-to-noise ratio in decibels: 10 log10(255^2 / mean square difference); infinite for equal pictures."""
    square = float(((pixels(a) - pixels(b)) ** 2).mean())
    return 10 * math.log10(255**2 / square) if square else math.inf


def contrast(picture: Image.Image) -> float:
    """Standard deviation of all values, of 255."""
    return float(pixels(picture).std())


def clipped(picture: Image.Image) -> float:
    """Share of values at 0 or 255."""
    values = pixels(picture)
    return float(((values <= 0) | (values >= 255)).mean())


def colourful(picture: Image.Image) -> float:
    """Mean distance between the largest and the smallest of red, green and blue, of 255."""
    values = pixels(picture)
    return float((values.max(axis=2) - values.min(axis=2)).mean())


def difference(a: Image.Image, b: Image.Image, strength: float = 3.0) -> Image.Image:
    """Where two pictures differ, ``strength`` times as bright."""
    return ImageChops.difference(a.convert("RGB"), b.convert("RGB")).point(lambda v: min(255, int(v * strength)))


def facts(pipe: Pipeline, result: Result | None = None, **more: Any) -> dict[str, Any]:
    """What an experiment was done with, as JSON values."""
    found: dict[str, Any] = {"model": pipe.name}
    if result is not None:
        asked = result.requests[0]
        found |= {"prompt": asked.prompt, "seed": asked.seed, "steps": asked.steps, "sampler": result.sampler}
        found |= {"grid": result.grid, "guidance": asked.guidance}
    return found | more


def asked(pipe: Pipeline, **options: Any) -> Settings:
    """Settings with the model's defaults filled in."""
    return Settings(**options).filled(pipe.defaults)
