"""IP-Adapters against diffusers and transformers: the image encoder, the tokens, the U-Net that attends to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from control_models import asked, inputs, their_unet
from ip_models import adapter_tensors, nested, published, their_vision
from PIL import Image
from safetensors.torch import save_file

from sukashi.adapters.ip.image_prompt import clip_picture, load_ip_adapter
from sukashi.adapters.ip.read import read_vision, vision_config
from sukashi.adapters.steering import Window, steered
from sukashi.nets.unet import UNet
from sukashi.weights.configs import unet_config
from sukashi.weights.errors import CheckpointError
from sukashi.weights.parts import Hold

pytest.importorskip("diffusers", reason="diffusers is the oracle here")
transformers = pytest.importorskip("transformers", reason="transformers is the oracle here")


def ours(theirs: torch.nn.Module) -> UNet:
    net = UNet(unet_config(theirs.config)).eval()
    net.load_state_dict(theirs.state_dict())
    return net


def test_the_image_encoder_equals_transformers(tmp_path: Path) -> None:
    theirs = their_vision()
    theirs.save_pretrained(tmp_path)
    net, report = read_vision(tmp_path, Hold())
    assert report.matched == report.total == len(theirs.state_dict())
    picture = torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        mine, reference = net(picture), theirs(picture, output_hidden_states=True)
    assert (mine.embeds - reference.image_embeds).abs().max() <= 1e-6
    assert len(mine.hidden) == len(reference.hidden_states)
    far = [(a - b).abs().max() for a, b in zip(mine.hidden, reference.hidden_states, strict=True)]
    assert max(far) <= 1e-6


@pytest.mark.parametrize("size", [(40, 40), (61, 37), (20, 50)])
def test_pictures_are_prepared_as_clip_does(size: tuple[int, int]) -> None:
    processor = transformers.models.clip.image_processing_pil_clip.CLIPImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}
    )
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    reference = processor(picture, return_tensors="pt").pixel_values
    assert (clip_picture(picture, 28) - reference).abs().max() <= 1e-6


@pytest.mark.parametrize(
    ("kind", "family", "pickle"), [("plain", "sd1", True), ("plus", "sd1", False), ("plus", "sdxl", True)]
)
def test_the_unet_attends_as_in_diffusers(kind: str, family: str, pickle: bool, tmp_path: Path) -> None:
    theirs = their_unet(family)
    net = ours(theirs)
    adapter = load_ip_adapter(published(tmp_path, kind, theirs, pickle=pickle))
    adapter.check(net)
    assert all(report.matched == report.total for report in adapter.reports)
    theirs._load_ip_adapter_weights(nested(adapter_tensors(kind, theirs)), low_cpu_mem_usage=False)
    for processor in theirs.attn_processors.values():
        if hasattr(processor, "scale"):
            processor.scale = [0.6]
    x, t, context, _ = inputs()
    own, more = asked(family)
    vision, picture = their_vision(), torch.randn(2, 3, 28, 28)
    with torch.no_grad():
        seen = vision(picture, output_hidden_states=True)
        embeds = seen.image_embeds if kind == "plain" else seen.hidden_states[-2]
        added = more.get("added_cond_kwargs", {}) | {"image_embeds": [embeds[:, None]]}
        reference = theirs(x, t, context, added_cond_kwargs=added).sample
        tokens = adapter.tokens(picture)
        calls = steered(net, lambda module: module, [adapter.act(tokens, 0.6, Window())])
        mine = calls(x, t, torch.cat([context, tokens[0]], dim=1), **own)
        plain = net(x, t, context, **own)
        off = steered(net, lambda module: module, [adapter.act(tokens, 0.0, Window())])
        nothing = off(x, t, torch.cat([context, tokens[0]], dim=1), **own)
    assert (mine - reference).abs().max() <= 1e-5
    assert (mine - plain).abs().max() > 1e-3
    assert (nothing - plain).abs().max() <= 1e-6


def test_the_full_projection_equals_diffusers(tmp_path: Path) -> None:
    theirs = their_unet("sd1")
    adapter = load_ip_adapter(published(tmp_path, "full", theirs))
    layer = theirs._convert_ip_adapter_image_proj_to_diffusers(
        nested(adapter_tensors("full", theirs))["image_proj"], low_cpu_mem_usage=False
    )
    states = torch.randn(2, 17, 24)
    with torch.no_grad():
        assert (adapter.nets.image_proj(states) - layer(states)).abs().max() <= 1e-6


def test_what_is_missing_or_something_else_is_said(tmp_path: Path) -> None:
    theirs = their_unet("sd1")
    path = published(tmp_path, "plain", theirs)
    adapter = load_ip_adapter(path)
    with pytest.raises(ValueError, match=r"is an IP-Adapter for 16 cross-attentions.*this model has"):
        adapter.check(ours(their_unet("sdxl")))
    alone = tmp_path / "far" / "away" / "ip.safetensors"
    alone.parent.mkdir(parents=True)
    alone.write_bytes(path.read_bytes())
    with pytest.raises(CheckpointError, match="needs an image encoder, and there is none in"):
        load_ip_adapter(alone)
    assert load_ip_adapter(alone, image_encoder=tmp_path / "image_encoder").vision.config.size == 28
    save_file({"ip_adapter.1.to_k_ip.weight": torch.zeros(2, 2), "image_proj.proj.0.weight": torch.zeros(4, 2)}, alone)
    with pytest.raises(CheckpointError, match="a FaceID IP-Adapter, which needs a face recogniser"):
        load_ip_adapter(alone)
    save_file({"lora_unet_a.lora_down.weight": torch.zeros(2, 2)}, alone)
    with pytest.raises(CheckpointError, match=r"is no IP-Adapter \(no ip_adapter\.\.\.\): it is a LoRA"):
        load_ip_adapter(alone)
    with pytest.raises(ValueError, match="hidden_act = 'tanh' is not supported"):
        vision_config({"hidden_act": "tanh"})
