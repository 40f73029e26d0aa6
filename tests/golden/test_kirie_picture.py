"""The shipped model draws the pictures it drew when it was shipped, here and in diffusers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sukashi
from sukashi import kirie
from sukashi.diffusion.noise import per_picture
from sukashi.tasks import compare

PROMPT, SEED = "girl eating pizza wearing glasses", 1
KEPT = Path(__file__).parent / "kirie-seed1.png"  # python tests/golden/test_kirie_picture.py draws it anew


def draw() -> Image.Image:
    return sukashi.load("kirie", device="cpu", dtype=torch.float32)(PROMPT, seed=SEED).images[0]


def test_the_picture_of_a_fixed_seed() -> None:
    with Image.open(KEPT) as kept:
        found = compare(draw(), kept)
    assert found.within(3) and found.mean < 0.1, found


def test_diffusers_draws_the_same_picture() -> None:
    diffusers = pytest.importorskip("diffusers")
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(kirie.path(), torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    ours = sukashi.load("kirie", device="cpu", dtype=torch.float32)
    noise = per_picture([SEED], ours.latent_shape(128, 128))()
    steps, guidance = ours.defaults["steps"], ours.defaults["guidance"]
    asked = {"num_inference_steps": steps, "guidance_scale": guidance, "width": 128, "height": 128}
    theirs = pipe(PROMPT, latents=noise, output_type="np", **asked)
    picture = Image.fromarray((np.asarray(theirs.images[0]) * 255).round().astype(np.uint8))
    assert compare(draw(), picture).within(1)


if __name__ == "__main__":
    draw().save(KEPT)
