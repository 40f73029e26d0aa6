"""Tiny models for the tests of ``sukashi.compat``, and diffusers' pipeline of the same folder."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sukashi.compat import DiffusionPipeline


@pytest.fixture(scope="session")
def models(shared_data: Path) -> Path:
    """The folder of tiny random models: tiny-sd1, tiny-sd2, tiny-sdxl, ..."""
    return shared_data / "6_references" / "tiny_pipelines" / "models"


@pytest.fixture
def load(models: Path) -> Callable[..., Any]:
    """``load("tiny-sd1")``: our pipeline of a tiny model."""
    return lambda name, **options: DiffusionPipeline.from_pretrained(models / name, **options)


@pytest.fixture(scope="session")
def oracle(models: Path) -> Callable[..., Any]:
    """``oracle("tiny-sd1", scheduler)``: diffusers' pipeline of the same model, loaded once, its bar and log silent."""
    diffusers = pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    diffusers.utils.logging.disable_progress_bar()
    loaded: dict[str, Any] = {}

    def get(name: str, scheduler: str | None = None, **keys: Any) -> Any:
        if name not in loaded:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                absent = {"safety_checker": None} | ({"depth_estimator": None} if "depth" in name else {})
                absent |= {"feature_extractor": None} if "depth" in name else {}
                loaded[name] = diffusers.DiffusionPipeline.from_pretrained(models / name, **absent)
            loaded[name].set_progress_bar_config(disable=True)
            loaded[name].first_scheduler = loaded[name].scheduler
            text = loaded[name].text_encoder
            if text is not None and not hasattr(
                text, "text_model"
            ):  # transformers 5 has none, but diffusers' clip_skip looks for it
                text.__dict__["text_model"] = text
        pipe = loaded[name]
        pipe.scheduler = pipe.first_scheduler
        if scheduler:
            pipe.scheduler = getattr(diffusers, scheduler).from_config(pipe.scheduler.config, **keys)
        return pipe

    return get
