"""The table of blocks: that of SD 1.5 as others print it, and that of a loaded model beside a look of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import sukashi
from sukashi.cli import main
from sukashi.pipeline import Pipeline
from sukashi.watch.blocks import ROOT, blocks, table
from sukashi.watch.networks import blocks_of, blocks_of_family

SD15 = [  # from the slides of parediffusers: channels, height, width of what comes out, two latents of 64 x 64 going in
    ("conv_in", [320, 64, 64]),
    ("down_blocks.0", [320, 32, 32]),
    ("down_blocks.1", [640, 16, 16]),
    ("down_blocks.2", [1280, 8, 8]),
    ("down_blocks.3", [1280, 8, 8]),
    ("mid_block", [1280, 8, 8]),
    ("up_blocks.0", [1280, 16, 16]),
    ("up_blocks.1", [1280, 32, 32]),
    ("up_blocks.2", [640, 64, 64]),
    ("up_blocks.3", [320, 64, 64]),
    ("conv_out", [4, 64, 64]),
]


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return sukashi.load("kirie", device="cpu")


def test_sd15_is_really_a_u() -> None:
    found = {block.name: block for block in blocks_of_family("sd1", size=512, depth=1)}
    assert [(name, found[name].output[1:]) for name, _ in SD15] == SD15
    assert all(found[name].output[0] == 2 and found[name].ms is None for name, _ in SD15)
    assert found[""].parameters == 859_520_964
    own = sum(block.parameters for name, block in found.items() if name)
    assert own == found[""].parameters  # the blocks of one depth are all of it


def test_a_loaded_model_beside_hooks_of_ones_own(pipe: Pipeline) -> None:
    seen: dict[str, list[int]] = {}
    layer = pipe.unet.up_blocks[1].attentions[0]
    hook = layer.register_forward_hook(lambda module, inputs, out: seen.update(out=list(out.shape)))
    pipe.unet(torch.zeros(2, 4, 16, 16), torch.zeros(2), torch.zeros(2, 48, 128))
    hook.remove()
    found = {block.name: block for block in blocks_of(pipe)}
    block = found["up_blocks.1.attentions.0"]
    assert (block.kind, block.output, block.depth) == ("SpatialTransformer", seen["out"], 2)
    assert block.parameters == sum(p.numel() for p in layer.parameters()) == block.bytes / 4
    assert 0 < block.ms < found["up_blocks.1"].ms < found[""].ms
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in pipe.unet.modules())


def test_every_line_number_leads_to_our_source(pipe: Pipeline) -> None:
    for block in [*blocks_of(pipe, depth=4, repeat=1), *blocks_of(pipe, "vae", repeat=1), *blocks_of(pipe, "text")]:
        file, line = block.source.split(":")
        text = (ROOT / file).read_text().splitlines()[int(line) - 1]
        last = next(part for part in reversed(block.name.split(".")) if not part.isdigit())
        assert f"class {block.kind}(" in text or f"self.{last}" in text, f"{block.name}: {text}"


@pytest.mark.parametrize(("family", "part", "parameters"), [("sdxl", "text", 817_720_320), ("sd1", "vae", 83_653_863)])
def test_other_networks_without_weights(family: str, part: str, parameters: int) -> None:
    found = blocks_of_family(family, part, size=64, depth=0 if part == "text" else 1)
    assert sum(block.parameters for block in found if "." not in block.name) == parameters


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["show", "unet", "--depth", "1"]) == 0
    printed = capsys.readouterr().out
    assert "down_blocks.0   DownStage" in printed and "nets/unet.py:" in printed
    made = blocks_of_family("sd1", size=512, depth=0)[0]
    assert made.made == 2 * 4 * 64 * 64 * 4 and "128.0 KiB" in table([made])
    assert main(["show", "vae", "--json", "--depth", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["blocks"][0]["name"] == "encoder"
    for words, message in (
        (["--family", "sd9"], "no family is called 'sd9'; the known ones are sd1"),
        (["--family", "sd1", "--size", "100"], "--size is 100; a multiple of 8 is accepted"),
        (["kirie", "--family", "sd1"], "exclude each other"),
        (["--depth", "-1"], "--depth is -1; 0 and more is accepted"),
    ):
        assert main(["show", "unet", *words]) == 2
        assert message in capsys.readouterr().err


def test_a_network_of_ones_own() -> None:
    from sukashi.nets.unet import TimeEmbedding

    net = TimeEmbedding(4, 8)
    found = blocks(net, lambda n: n(torch.zeros(1, 4)), depth=1)
    assert [(b.name, b.input, b.output) for b in found] == [
        ("", [1, 4], [1, 8]),
        ("linear_1", [1, 4], [1, 8]),
        ("linear_2", [1, 8], [1, 8]),
    ]
    assert table(found).splitlines()[1].split()[:4] == ["all", "of", "it", "TimeEmbedding"]
