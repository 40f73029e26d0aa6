"""Control networks on the command line: drawn with, recorded, replayed, refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from sukashi.adapters.control.controlnet import as_controlnet
from sukashi.metadata.readers import read
from sukashi.nets.controlnet import ControlNet
from sukashi.translate import translate
from sukashi.weights.configs import unet_config, unet_json


@pytest.fixture(scope="module")
def control(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random ControlNet for the tiny model, in a diffusers folder."""
    folder = tmp_path_factory.mktemp("controlnet")
    unet = unet_config(json.loads((model / "unet" / "config.json").read_text()))
    net = ControlNet(as_controlnet(unet, hint_channels=(4, 4, 4, 4)))
    generator = torch.Generator().manual_seed(0)
    save_file(
        {k: torch.randn(t.shape, generator=generator) * 0.3 for k, t in net.state_dict().items()},
        folder / "diffusion_pytorch_model.safetensors",
    )
    keys = {"_class_name": "ControlNetModel", "conditioning_embedding_out_channels": [4, 4, 4, 4]}
    own = {k: v for k, v in unet_json(unet, 8).items() if k not in ("up_block_types", "out_channels", "sample_size")}
    (folder / "config.json").write_text(json.dumps(own | keys))
    return folder


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "edges.png")
    return tmp_path / "edges.png"


def pixels(path: object) -> np.ndarray:
    return np.asarray(Image.open(str(path)))


def recorded(path: str) -> object:
    return translate(read(path)).record["settings"]["controls"]


def test_a_controlled_picture_is_drawn_recorded_and_replayed(sukashi, model: Path, control: Path, edges: Path) -> None:
    shown = f"{edges.name}:0.8:0-0.7"
    [plain] = sukashi("a cat", "-m", model, "-s", 3, "-o", "plain.png", "--json").json()
    ended = sukashi("a cat", "-m", model, "-s", 3, "-o", "a.png", "--control", control, shown, "--json")
    [facts] = ended.json()
    assert ended.code == 0 and not ended.err
    assert "the control picture was scaled and cropped from 96 x 64 to 64 x 64" in facts["notes"]
    assert not np.array_equal(pixels("plain.png"), pixels("a.png"))
    [record] = recorded("a.png")
    assert record["model"] == str(control) and record["picture"]["path"] == str(edges)
    assert (record["kind"], record["scale"], record["start"], record["stop"]) == ("control", 0.8, 0.0, 0.7)
    again = sukashi("replay", "a.png", "--check", "--tolerance", 0)
    assert again.code == 0, again
    assert recorded(plain["path"]) is None


def test_a_picture_that_is_gone_is_asked_for_by_name(sukashi, model: Path, control: Path, edges: Path) -> None:
    sukashi("a cat", "-m", model, "-s", 3, "-o", "a.png", "--control", control, edges)
    elsewhere = edges.rename(edges.with_name("moved.png"))
    ended = sukashi("replay", "a.png", "--check")
    assert ended.code != 0
    assert f"draws with {control}, whose picture is not at {edges} any more; give it (--control-picture" in ended.err
    assert sukashi("replay", "a.png", "--check", "--tolerance", 0, "--control-picture", elsewhere).code == 0
    Image.new("RGB", (8, 8)).save(edges)
    assert f"{edges} is not the picture any more that the record speaks of" in sukashi("replay", "a.png", "--check").err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("edges.png:twice",),
            "'twice' is no scale (0.8), no stretch of the run (0-0.5) and none of guess, stretch, crop",
        ),
        (("lines.png",), "lines.png: no such picture"),
        (("edges.png:0.8-0.2",), "control start is 0.8 and stop 0.2; 0 <= start < stop <= 1 is accepted"),
        (("edges.png:99",), "control scale is 99.0; a number in -10..10 is accepted"),
    ],
)
def test_what_cannot_be_done_is_said(words, said: str, sukashi, model: Path, control: Path, edges: Path) -> None:
    ended = sukashi("a cat", "-m", model, "--control", control, *words)
    assert ended.code != 0
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_a_model_file_that_is_no_control_network(sukashi, model: Path, edges: Path) -> None:
    file = model / "unet" / "diffusion_pytorch_model.safetensors"
    ended = sukashi("a cat", "-m", model, "--control", file, edges)
    assert ended.code != 0
    assert f"{file} is no ControlNet and no T2I-Adapter: it is a U-Net of a diffusers folder" in ended.err
