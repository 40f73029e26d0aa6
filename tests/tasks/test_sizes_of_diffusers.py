"""Large and odd sizes with two prompts at once, beside diffusers' pipelines of the same random models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from oracle import box_mask, close, generators, ours, photo, scheduled

from sukashi import tasks

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SIZES = [(512, 512), (520, 328)]
PROMPTS = ["a cat", "at"]
ASKED: dict[str, Any] = {"steps": 3, "guidance": 3.0, "seed": 7, "sampler": "EulerDiscreteScheduler"}
THEIRS = {"num_inference_steps": 3, "guidance_scale": 3.0, "output_type": "latent"}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("sd1", "StableDiffusionInpaintPipeline"),
        ("sd1-inpaint", "StableDiffusionInpaintPipeline"),
        ("sdxl", "StableDiffusionXLInpaintPipeline"),
    ],
)
def test_inpainting(family: str, name: str, size: tuple[int, int]) -> None:
    pipe = scheduled(name, family, "EulerDiscreteScheduler")
    width, height = size
    picture, mask = photo(*size), box_mask(*size, (160, 80, 400, 320))
    both = {"image": [picture] * 2, "mask_image": [mask] * 2, "generator": generators(7, 8)}
    wanted = pipe(PROMPTS, width=width, height=height, strength=0.7, negative_prompt=["rain"] * 2, **both, **THEIRS)
    given = {"image": picture, "mask": mask, "strength": 0.7, "negative_prompt": "rain"}
    close(tasks.inpaint(ours(family), PROMPTS, **given, **ASKED), wanted.images)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("family", "name"),
    [
        ("sd1", "StableDiffusionImg2ImgPipeline"),
        ("sd2-v", "StableDiffusionImg2ImgPipeline"),
        ("sdxl", "StableDiffusionXLImg2ImgPipeline"),
    ],
)
def test_image_to_image(family: str, name: str, size: tuple[int, int]) -> None:
    pipe, picture = scheduled(name, family, "EulerDiscreteScheduler"), photo(*size)
    both = {"image": [picture] * 2, "generator": generators(7, 8), "strength": 0.7}
    wanted = pipe(PROMPTS, negative_prompt=["rain"] * 2, **both, **THEIRS).images
    given = {"image": picture, "strength": 0.7, "negative_prompt": "rain"}
    close(tasks.image_to_image(ours(family), PROMPTS, **given, **ASKED), wanted)


@pytest.mark.parametrize("size", SIZES)
def test_depth(size: tuple[int, int]) -> None:
    pipe, picture = scheduled("StableDiffusionDepth2ImgPipeline", "sd2-depth", "EulerDiscreteScheduler"), photo(*size)
    depth = torch.rand(size[1], size[0], generator=torch.Generator().manual_seed(0)) * 900
    both = {"strength": 0.7, "generator": generators(7, 8), "negative_prompt": ["rain"] * 2}
    wanted = pipe(PROMPTS, [picture] * 2, depth.expand(2, -1, -1), **both, **THEIRS).images
    given = {"image": picture, "depth": depth, "strength": 0.7, "negative_prompt": "rain"}
    close(tasks.depth_to_image(ours("sd2-depth"), PROMPTS, **given, **ASKED), wanted)
