"""Maps with what stands around the U-Net: LoRAs that a prompt names, seamless pictures, control networks."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

from lora_samples import kohya, saved
from sukashi.adapters.control.load import Control
from sukashi.nets.controlnet import ControlNet, ControlNetConfig
from sukashi.pipeline import Pipeline
from sukashi.watch.attention import attention
from sukashi.weights.parts import PartReport
from tiny_models import tiny_model

ASKED = dict(negative_prompt="hat", seed=1, sampler="ddim")


def tiny() -> Pipeline:
    return Pipeline(tiny_model("sd1"), dict(width=64, height=64, steps=2, guidance=4.0), name="tiny")


def same(pipe: Pipeline, prompt: str, **options) -> torch.Tensor:
    """The map of "cat" where watching changes no bit of the picture."""
    seen = attention(pipe)
    assert torch.equal(seen(prompt, **ASKED, **options).latents, pipe(prompt, **ASKED, **options).latents)
    assert seen.maps[0].steps == [0, 1] and seen.maps[0].word("hat", "negative").std() > 0
    return seen.maps[0].word("cat")


def test_a_lora_that_the_prompt_names(tmp_path: Path) -> None:
    pipe = tiny()
    file = saved(kohya(pipe.parts), tmp_path / "ink.safetensors")
    named, held = same(pipe, f"a cat <lora:{file}:2>"), same(pipe.with_lora(file, 2), "a cat")
    assert torch.equal(named, held) and not torch.equal(named, same(pipe, "a cat"))


def test_seamless_pictures() -> None:
    assert not torch.equal(same(tiny(), "a cat", seamless="x"), same(tiny(), "a cat"))


def test_a_control_network() -> None:
    pipe = tiny()
    net = ControlNet(ControlNetConfig(**vars(pipe.unet.config), hint_channels=(4, 4, 4, 8)))
    g = torch.Generator().manual_seed(0)
    net.load_state_dict({k: torch.randn(t.shape, generator=g) * 0.1 for k, t in net.state_dict().items()})
    found = PartReport("controlnet", 1, 1, "float32", torch.float32, "the test")
    control = pipe.with_control(Control(net.eval(), found, "the test"), Image.new("RGB", (64, 64), "red"))
    assert not torch.equal(same(control, "a cat"), same(pipe, "a cat"))
