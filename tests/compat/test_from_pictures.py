"""Pipelines that begin from a picture, beside diffusers' of the same name on the same random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from sukashi import compat

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*not loaded:UserWarning")
FOX = {"prompt": "a fox in the snow", "negative_prompt": "rain", "num_inference_steps": 4, "output_type": "latent"}
Load, Theirs = Callable[..., Any], Callable[..., Any]


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR)


def same(load: Load, oracle: Theirs, model: str, name: str, scheduler: str | None = None, **call: Any) -> None:
    """Latents equal to 1e-4 of their largest value."""
    import diffusers

    loaded = oracle(model, scheduler)
    theirs, ours = getattr(diffusers, name), getattr(compat, name)
    if type(loaded) is not theirs:
        quiet = {} if "XL" in name else {"requires_safety_checker": False}
        loaded = theirs(**loaded.components, **quiet)
        loaded.set_progress_bar_config(disable=True)
    pipe = load(model)
    pipe = pipe if type(pipe) is ours else ours.from_pipe(pipe)
    pipe.scheduler = loaded.scheduler
    expected = loaded(**FOX | call, generator=torch.Generator().manual_seed(7)).images
    drawn = pipe(**FOX | call, generator=torch.Generator().manual_seed(7)).images
    assert drawn.shape == expected.shape
    assert float((drawn - expected).abs().max()) <= 1e-4 * max(1.0, float(expected.abs().max()))
    assert pipe.num_timesteps == loaded.num_timesteps if hasattr(loaded, "num_timesteps") else True


@pytest.mark.parametrize("scheduler", [None, "EulerAncestralDiscreteScheduler", "HeunDiscreteScheduler"])
def test_image_to_image(scheduler: str | None, load: Load, oracle: Theirs) -> None:
    call = {"image": photo(68, 48), "strength": 0.6, "num_images_per_prompt": 2}
    same(load, oracle, "tiny-sd1", "StableDiffusionImg2ImgPipeline", scheduler, **call)


@pytest.mark.parametrize(("model", "strength"), [("tiny-sd2-inpaint9", 1.0), ("tiny-sd1", 1.0), ("tiny-sd1", 0.7)])
def test_inpainting(model: str, strength: float, load: Load, oracle: Theirs) -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 8, 40, 32))
    call = {"image": photo(64, 64), "mask_image": mask, "strength": strength, "height": 64, "width": 64}
    same(load, oracle, model, "StableDiffusionInpaintPipeline", "EulerAncestralDiscreteScheduler", **call)


def test_depth_to_image(load: Load, oracle: Theirs) -> None:
    depth = torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(0)) * 90
    call = {"image": photo(64, 64), "depth_map": depth, "strength": 0.8}
    same(load, oracle, "tiny-sd2-depth", "StableDiffusionDepth2ImgPipeline", **call)


def test_upscaling(load: Load, oracle: Theirs) -> None:
    call = {"image": photo(20, 12), "noise_level": 30}
    same(load, oracle, "tiny-upscaler", "StableDiffusionUpscalePipeline", **call)


def test_instructions(load: Load, oracle: Theirs) -> None:
    call = {"image": photo(64, 48), "image_guidance_scale": 1.3, "guidance_scale": 5.0}
    same(load, oracle, "tiny-pix2pix8", "StableDiffusionInstructPix2PixPipeline", **call)


def test_sdxl(load: Load, oracle: Theirs) -> None:
    call = {"image": photo(64, 48), "strength": 0.6, "prompt_2": "snow", "original_size": (90, 70)}
    same(load, oracle, "tiny-sdxl", "StableDiffusionXLImg2ImgPipeline", **call)


def test_sdxl_refiner_goes_on_with_latents(load: Load, oracle: Theirs) -> None:
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)) * 3
    call = {"image": latents, "denoising_start": 0.6, "num_inference_steps": 5, "aesthetic_score": 7.0}
    same(load, oracle, "tiny-sdxl-refiner", "StableDiffusionXLImg2ImgPipeline", **call)


@pytest.mark.parametrize(("model", "strength"), [("tiny-sdxl", 0.7), ("tiny-sdxl", 1.0)])
def test_sdxl_inpainting(model: str, strength: float, load: Load, oracle: Theirs) -> None:
    mask = Image.new("L", (64, 48))
    mask.paste(255, (16, 8, 40, 32))
    call = {"image": photo(64, 48), "mask_image": mask, "strength": strength, "height": 48, "width": 64}
    same(load, oracle, model, "StableDiffusionXLInpaintPipeline", "EulerDiscreteScheduler", **call)


def test_pictures_arrays_and_tensors_are_the_same(load: Load) -> None:
    pipe, picture = load("tiny-sd1"), photo(64, 48)
    values = np.asarray(picture, dtype=np.float32) / 255
    first, *others = (
        pipe.image_processor.preprocess(one)
        for one in (picture, values, torch.from_numpy(values).permute(2, 0, 1), [picture], 2 * values - 1)
    )
    assert first.shape == (1, 3, 48, 64)
    assert all(torch.allclose(first, other, atol=1e-6) for other in others)


def test_what_cannot_be_drawn_is_said(load: Load, tmp_path: Path) -> None:
    pipe = compat.StableDiffusionImg2ImgPipeline.from_pipe(load("tiny-sd1"))
    with pytest.raises(ValueError, match="needs a picture beside the prompt"):
        pipe("a fox")
    with pytest.raises(TypeError, match="the picture is a str"):
        pipe("a fox", image="fox.png")
    with pytest.raises(ValueError, match=r"strength is 2; a number in 0\.\.1"):
        pipe("a fox", image=photo(64, 64), strength=2)
    assert pipe("a fox", image=photo(64, 64), strength=0).images[0].size == (64, 64)
    inpaint = compat.StableDiffusionInpaintPipeline.from_pipe(pipe)
    with pytest.raises(ValueError, match="needs a mask"):
        inpaint("a fox", image=photo(64, 64))
    with pytest.raises(ValueError, match="takes 4 channels; a StableDiffusionDepth2ImgPipeline needs one of 5"):
        compat.StableDiffusionDepth2ImgPipeline.from_pipe(pipe)(
            "a fox", image=photo(64, 64), depth_map=torch.rand(8, 8)
        )
