"""The diffusion course, unit 3: pictures from pictures, with only the import changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from sukashi.compat import (
    StableDiffusionDepth2ImgPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionUpscalePipeline,
)

SQUARE = Image.linear_gradient("L").resize((64, 64)).convert("RGB")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_course_runs(models: Path) -> None:
    device, few = "cpu", {"num_inference_steps": 2, "generator": torch.Generator("cpu").manual_seed(1)}

    pipe = StableDiffusionImg2ImgPipeline.from_pretrained(models / "tiny-sd1").to(device)
    drawn = pipe(prompt="An oil painting of a man on a bench", image=SQUARE, strength=0.6, **few).images[0]
    assert drawn.size == (64, 64)

    pipe = StableDiffusionInpaintPipeline.from_pretrained(models / "tiny-sd2-inpaint9").to(device)
    mask = Image.new("L", (64, 64), 255)
    drawn = pipe(prompt="A small robot", image=SQUARE, mask_image=mask, height=64, width=64, **few)[0][0]
    assert drawn.size == (64, 64)

    pipe = StableDiffusionDepth2ImgPipeline.from_pretrained(models / "tiny-sd2-depth").to(device)
    depth = torch.linspace(0, 1, 64).expand(1, 64, 64)
    told = {"negative_prompt": "deformed", "strength": 0.7, "depth_map": depth}
    assert pipe(prompt="two tigers", image=SQUARE, **told, **few).images[0].size == (64, 64)

    pipe = StableDiffusionUpscalePipeline.from_pretrained(models / "tiny-upscaler").to(device)
    small = SQUARE.resize((16, 16))
    side = 16 * pipe.vae_scale_factor
    assert pipe("a white cat", image=small, **few).images[0].size == (side, side)

    pipe = StableDiffusionInstructPix2PixPipeline.from_pretrained(models / "tiny-pix2pix8").to(device)
    assert pipe("make it snow", image=SQUARE, image_guidance_scale=1.0, **few).images[0].size == (64, 64)
