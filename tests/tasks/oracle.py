"""diffusers' pipelines of our tiny random models, and pictures to give both."""

from __future__ import annotations

import functools
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sukashi.pipeline import Pipeline
from sukashi.weights.save import save_folder
from tiny_models import tiny_model


@functools.cache
def folder(family: str) -> Path:
    """A tiny model on disk; the system's temporary folder goes with the system."""
    path = Path(tempfile.mkdtemp(prefix="sukashi-test-")) / family
    save_folder(tiny_model(family), path)
    return path


@functools.cache
def theirs(name: str, family: str) -> Any:
    """diffusers' pipeline of the class ``name``, its bar and log silent."""
    diffusers = pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    diffusers.utils.logging.disable_progress_bar()
    absent = {"safety_checker": None, "feature_extractor": None, "image_encoder": None, "depth_estimator": None}
    known = {key: value for key, value in absent.items() if "XL" not in name or key == "image_encoder"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = getattr(diffusers, name).from_pretrained(folder(family), **known)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def scheduled(name: str, family: str, scheduler: str | None = None, **keys: Any) -> Any:
    """The same, with one of diffusers' schedulers."""
    import diffusers

    pipe = theirs(name, family)
    config = {**tiny_model(family).scheduler, **keys}
    pipe.scheduler = getattr(diffusers, scheduler or config["_class_name"]).from_config(config)
    return pipe


def ours(family: str) -> Pipeline:
    """Our pipeline of a tiny model."""
    parts = tiny_model(family)
    size = parts.family.size
    return Pipeline(parts, {"width": size, "height": size, "steps": 3, "guidance": 4.0}, name=f"tiny {family}")


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    """Something with edges, colours and noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / (3 + seed)) * 90, np.cos(y / 5) * 90, np.sin((x + y) / 9) * 90], axis=-1)
    noise = random.normal(0, 12, (height, width, 3))
    return Image.fromarray((waves + noise + 128).clip(0, 255).astype(np.uint8))


def box_mask(width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    """White in a box: left, top, right, bottom."""
    mask = Image.new("L", (width, height))
    mask.paste(255, box)
    return mask


def close(result: Any, latents: torch.Tensor) -> None:
    """Latents equal to 1e-4 of their largest value, or of 1."""
    scale = max(1.0, float(latents.abs().max()))
    assert result.latents.shape == latents.shape
    assert float((result.latents - latents).abs().max()) <= 1e-4 * scale
