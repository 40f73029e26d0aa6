"""IP-Adapters through the facade, beside diffusers: the same calls, the same latents."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ip_models import published
from PIL import Image

from sukashi.adapters.ip.image_prompt import cross_attentions
from sukashi.compat import StableDiffusionPipeline

diffusers = pytest.importorskip("diffusers", reason="diffusers is the oracle here")
transformers = pytest.importorskip("transformers", reason="transformers is the oracle here")


@pytest.fixture(scope="module")
def model(shared_data: Path) -> Path:
    return shared_data / "6_references/tiny_pipelines/models/tiny-sd1"


@pytest.fixture(scope="module")
def folder(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plain adapter and its image encoder."""
    path = tmp_path_factory.mktemp("ip")
    published(path / "models", "plain", diffusers.UNet2DConditionModel.from_pretrained(model, subfolder="unet"))
    return path


def ours(model: Path) -> Any:
    pipe = StableDiffusionPipeline.from_pretrained(model)
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    return pipe


def theirs(model: Path, folder: Path) -> Any:
    processor = transformers.models.clip.image_processing_pil_clip.CLIPImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    encoder = transformers.CLIPVisionModelWithProjection.from_pretrained(folder / "models" / "image_encoder")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = dict(image_encoder=encoder, feature_extractor=processor, safety_checker=None)
        pipe = diffusers.StableDiffusionPipeline.from_pretrained(model, **named)
    pipe.scheduler = diffusers.DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(pipe: Any, **options: Any) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    asked: dict[str, Any] = dict(num_inference_steps=3, guidance_scale=6.0, output_type="latent") | options
    found: torch.Tensor = pipe("a cat", generator=generator, **asked).images
    return found


def picture(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (33, 40, 3), dtype=np.uint8))


def test_latents_are_those_of_diffusers(model: Path, folder: Path) -> None:
    mine, other = ours(model), theirs(model, folder)
    before = drawn(mine)
    where = dict(subfolder="models", weight_name="ip-adapter_plain.safetensors")
    mine.load_ip_adapter(folder, **where)
    other.load_ip_adapter(folder, **where, low_cpu_mem_usage=False)
    for pipe in (mine, other):
        pipe.set_ip_adapter_scale(0.6)
    for options in ({}, {"guidance_scale": 1.0}):
        found = drawn(mine, ip_adapter_image=picture(5), **options)
        assert (found - drawn(other, ip_adapter_image=picture(5), **options)).abs().max() <= 1e-4
    assert (drawn(mine, ip_adapter_image=picture(5)) - before).abs().max() > 1e-3
    with pytest.raises(ValueError, match="ip_adapter_image has 0 pictures for 1 IP-Adapters"):
        drawn(mine)
    with pytest.raises(ValueError, match="2 scales for 1 IP-Adapters"):
        mine.set_ip_adapter_scale([1.0, 0.5])
    for wrong, said in (
        ({"side": 1.0}, "no scales for 'side'; accepted: down, mid, up"),
        ({"up": {"block_9": 1.0}}, "up has no cross-attention in 'block_9'; it has some in block_"),
        ({"up": [1.0, 2.0, 3.0, 4.0, 5.0]}, "5 scales for up block_"),
        ({"down": "much"}, "is 'much'; a number, or a list"),
    ):
        with pytest.raises(ValueError, match=said):
            mine.set_ip_adapter_scale(wrong)
    mine.unload_ip_adapter()
    assert torch.equal(drawn(mine), before)


def test_scales_by_block(model: Path, folder: Path) -> None:
    mine, other = ours(model), theirs(model, folder)
    for pipe, more in ((mine, {}), (other, {"low_cpu_mem_usage": False})):
        pipe.load_ip_adapter(folder, subfolder="models", weight_name="ip-adapter_plain.safetensors", **more)
    blocks = [name.split(".")[1] for name in cross_attentions(mine.unet.net) if name.startswith("up")]
    first, count = f"block_{blocks[0]}", blocks.count(blocks[0])
    seen = []
    for scale in ({"up": {first: [0.2, 1.5, 0.0][:count]}}, {"down": 0.7, "mid": 0.4}):
        for pipe in (mine, other):
            pipe.set_ip_adapter_scale(scale)
        seen.append(drawn(mine, ip_adapter_image=picture(5)))
        assert (seen[-1] - drawn(other, ip_adapter_image=picture(5))).abs().max() <= 1e-4
    assert (seen[0] - seen[1]).abs().max() > 1e-3


def test_several_adapters_each_with_its_picture(model: Path, folder: Path) -> None:
    mine, name = ours(model), "ip-adapter_plain.safetensors"
    mine.load_ip_adapter(folder, "models", [name, name])
    mine.set_ip_adapter_scale([0.6, 0.0])
    both = drawn(mine, ip_adapter_image=[picture(5), picture(6)])
    mine.load_ip_adapter(folder, "models", name, image_encoder_folder="models/image_encoder")
    mine.set_ip_adapter_scale(0.6)
    assert torch.allclose(both, drawn(mine, ip_adapter_image=picture(5)), atol=1e-5)
    with pytest.raises(ValueError, match="there is no folder"):
        mine.load_ip_adapter(folder, "models", name, image_encoder_folder="elsewhere")
