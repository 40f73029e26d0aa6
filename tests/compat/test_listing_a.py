"""What the article "inside diffusers" does, with the import line changed: items A.1 to A.4 of the listings."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from sukashi.compat import DiffusionPipeline, StableDiffusionPipeline, UNet2DConditionModel
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.weights.assemble import empty

PROMPT = "a photo of an astronaut flying like a bird in the sky of the mars"


@pytest.fixture
def hub(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A hub id that is in the cache (and the network is off)."""
    from huggingface_hub import constants

    repo = tmp_path / "models--somebody--tiny"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("0123abcd")
    (repo / "snapshots").mkdir()
    (repo / "snapshots" / "0123abcd").symlink_to(models / "tiny-sd1", target_is_directory=True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return "somebody/tiny"


def test_a1_load_by_hub_id_in_half_precision_move_and_draw(hub: str) -> None:
    pipe = DiffusionPipeline.from_pretrained(hub, torch_dtype=torch.float16)
    assert pipe.dtype == torch.float16
    pipe = pipe.to("cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = pipe(PROMPT, num_inference_steps=3).images[0]
    assert isinstance(image, Image.Image)
    assert image.size == (64, 64)


def test_a2_printing_shows_class_and_library_of_every_part(
    load: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    print(load("tiny-sd1"))
    name, text = capsys.readouterr().out.split(" ", 1)
    parts = json.loads(text)
    assert name == "StableDiffusionPipeline"
    for part in ("tokenizer", "text_encoder", "unet", "vae", "scheduler"):
        assert parts[part][0] == "sukashi.compat"
    for part in ("feature_extractor", "safety_checker", "image_encoder"):
        assert parts[part] == [None, None]


def test_a3_types_and_guidance_after_a_run(load: Callable[..., Any]) -> None:
    pipe = load("tiny-sd1")
    assert type(pipe.tokenizer).__name__ == "CLIPTokenizer"
    assert type(pipe.text_encoder).__name__ == "CLIPTextModel"
    pipe(PROMPT, num_inference_steps=1)
    assert pipe.do_classifier_free_guidance is True
    pipe(PROMPT, num_inference_steps=1, guidance_scale=1.0)
    assert pipe.do_classifier_free_guidance is False


def test_a4_printing_the_unet_shows_how_it_begins() -> None:
    unet = UNet2DConditionModel(empty(lambda: UNet(UNetConfig())))
    lines = repr(unet).splitlines()
    assert lines[0] == "UNet2DConditionModel("
    assert lines[1] == "  (conv_in): Conv2d(4, 320, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"
    assert lines[2] == "  (time_proj): Timesteps(320)"
    assert lines[3].startswith("  (time_embedding): ")
    assert lines[4] == "    (linear_1): Linear(in_features=320, out_features=1280, bias=True)"
    assert lines[5] == "    (linear_2): Linear(in_features=1280, out_features=1280, bias=True)"
    config = unet.config
    assert (config.in_channels, config.sample_size, config.cross_attention_dim) == (4, 64, 768)
    assert config.block_out_channels == [320, 640, 1280, 1280]


def test_the_hub_id_of_a_model_class(hub: str) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(hub, revision="0123abcd", local_files_only=True)
    assert pipe.name_or_path == hub
    unet = UNet2DConditionModel.from_pretrained(hub, subfolder="unet")
    assert unet.config.sample_size == pipe.unet.config.sample_size == 32
