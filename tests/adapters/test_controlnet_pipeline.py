"""ControlNets in whole runs beside diffusers' StableDiffusionControlNetPipeline, through the facade."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from control_models import randomised
from PIL import Image

import sukashi.compat
from sukashi.compat import ControlNetModel

diffusers = pytest.importorskip("diffusers", reason="diffusers is the oracle here")
PROMPT = "a painting of a squirrel"
CASES: dict[str, dict[str, Any]] = {
    "scale and window": dict(controlnet_conditioning_scale=0.4, control_guidance_start=0.3, control_guidance_end=0.8),
    "guess": dict(guess_mode=True),
    "no guidance": dict(guidance_scale=1.0),
    "two prompts": dict(prompt=[PROMPT, "a cat"], negative_prompt=["blurred", ""], num_images_per_prompt=2),
}


@pytest.fixture(scope="module")
def model(shared_data: Path) -> Path:
    return shared_data / "6_references/tiny_pipelines/models/tiny-sd1"


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory, model: Path) -> list[Path]:
    """Two random ControlNets for the tiny model."""
    return [random_net(model, tmp_path_factory.mktemp("net") / str(seed), seed) for seed in (3, 4)]


def random_net(model: Path, folder: Path, seed: int) -> Path:
    """The folder of a random ControlNet for a model."""
    unet = diffusers.UNet2DConditionModel.from_pretrained(model, subfolder="unet")
    hint = (8, 12, 16, 20)[: len(diffusers.AutoencoderKL.load_config(model, subfolder="vae")["block_out_channels"])]
    net = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=hint)
    randomised(net, seed).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    values = np.random.default_rng(1).integers(0, 256, (40, 48, 3), dtype=np.uint8)
    return Image.fromarray(values)


KIND = "StableDiffusionControlNetPipeline"


def theirs(model: Path, nets: list[Path], kind: str = KIND, **parts: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = [diffusers.ControlNetModel.from_pretrained(folder) for folder in nets]
        given = {"controlnet": loaded if len(loaded) > 1 else loaded[0]} | parts
        pipe = getattr(diffusers, kind).from_pretrained(model, **given)
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def ours(model: Path, nets: list[Path], kind: str = KIND) -> Any:
    loaded = [ControlNetModel.from_pretrained(folder) for folder in nets]
    given = {"controlnet": loaded if len(loaded) > 1 else loaded[0]}
    pipe = getattr(sukashi.compat, kind).from_pretrained(model, **given)
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    return pipe


def drawn(pipe: Any, image: Any, **options: Any) -> torch.Tensor:
    asked: dict[str, Any] = {"prompt": PROMPT, "num_inference_steps": 4, "guidance_scale": 6.0} | options
    found: torch.Tensor = pipe(
        image=image, generator=torch.Generator().manual_seed(0), output_type="latent", **asked
    ).images
    return found


@pytest.mark.parametrize("case", CASES)
def test_latents_are_those_of_diffusers(case: str, model: Path, nets: list[Path], picture: Image.Image) -> None:
    reference = drawn(theirs(model, nets[:1], safety_checker=None), picture, **CASES[case])
    mine = drawn(ours(model, nets[:1]), picture, **CASES[case])
    assert mine.shape == reference.shape
    assert (mine - reference).abs().max() <= 1e-4
    if case == "scale and window":
        silent = drawn(ours(model, nets[:1]), picture, controlnet_conditioning_scale=0.0)
        assert (mine - silent).abs().max() > 1e-3


def test_two_controlnets_are_summed(model: Path, nets: list[Path], picture: Image.Image) -> None:
    two = dict(controlnet_conditioning_scale=[0.7, 0.4], control_guidance_end=[1.0, 0.5])
    other = picture.transpose(Image.Transpose.ROTATE_180)
    reference = drawn(theirs(model, nets, safety_checker=None), [picture, other], **two)
    assert (drawn(ours(model, nets), [picture, other], **two) - reference).abs().max() <= 1e-4


@pytest.mark.parametrize("case", ["scale and window", "guess"])
def test_sdxl(case: str, shared_data: Path, tmp_path: Path, picture: Image.Image) -> None:
    model = shared_data / "6_references/tiny_pipelines/models/tiny-sdxl"
    nets, kind = [random_net(model, tmp_path, 3)], "StableDiffusionXLControlNetPipeline"
    reference = drawn(theirs(model, nets, kind, add_watermarker=False), picture, **CASES[case])
    mine = drawn(ours(model, nets, kind), picture, **CASES[case])
    assert mine.shape == reference.shape and (mine - reference).abs().max() <= 1e-4


def test_what_cannot_be_drawn_is_said(model: Path, nets: list[Path], picture: Image.Image) -> None:
    pipe = ours(model, nets)
    with pytest.raises(ValueError, match=r"needs a picture beside the prompt: image=\.\.\."):
        pipe(PROMPT)
    with pytest.raises(ValueError, match="2 ControlNets, but 1, 2, 2, 2 pictures, scales, starts and ends"):
        pipe(PROMPT, [picture])
