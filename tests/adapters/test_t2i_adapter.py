"""T2I-Adapters against diffusers: features, files of the original, and the U-Net they are added to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from control_models import asked, inputs, randomised, saved, their_unet
from safetensors.torch import save_file

from sukashi.adapters.control.acting import t2i_act
from sukashi.adapters.control.load import load_control
from sukashi.adapters.steering import Window, steered
from sukashi.nets.unet import UNet
from sukashi.weights.configs import unet_config
from sukashi.weights.errors import CheckpointError

diffusers = pytest.importorskip("diffusers", reason="diffusers is the oracle here")
KINDS: dict[str, dict[str, Any]] = {
    "full": dict(channels=[16, 32, 32, 32], num_res_blocks=2),
    "full of one channel": dict(channels=[16, 32, 32, 32], in_channels=1, num_res_blocks=1),
    "light": dict(channels=[16, 32, 32], num_res_blocks=4, adapter_type="light_adapter"),
    "sdxl": dict(channels=[16, 32, 32, 32], adapter_type="full_adapter_xl", downscale_factor=16),
}


def adapter(kind: str) -> Any:
    return randomised(diffusers.T2IAdapter(**KINDS[kind]), 4)


def original(theirs: Any) -> dict[str, torch.Tensor]:
    """Under the names of TencentARC's files."""
    count = theirs.config.num_res_blocks

    def name(ours: str) -> str:
        short = ours.removeprefix("adapter.")
        if theirs.config.adapter_type == "light_adapter":
            return short.replace(".resnets.", ".body.")
        short = re.sub(r"body\.(\d)\.in_conv", lambda m: f"body.{count * int(m[1])}.in_conv", short)
        return re.sub(r"body\.(\d)\.resnets\.(\d)", lambda m: f"body.{count * int(m[1]) + int(m[2])}", short)

    return {name(key): value.clone() for key, value in theirs.state_dict().items()}


@pytest.mark.parametrize("layout", ["folder", "file", "original file"])
@pytest.mark.parametrize("kind", KINDS)
def test_features_are_those_of_diffusers(kind: str, layout: str, tmp_path: Path) -> None:
    theirs = adapter(kind)
    path = tmp_path / "t2i.safetensors"
    if layout == "folder":
        path = saved(theirs, tmp_path / "folder")
    elif layout == "original file" and kind == "light":
        path = tmp_path / "t2i.pth"
        torch.save(original(theirs), path)
    else:
        save_file(theirs.state_dict() if layout == "file" else original(theirs), path)
    control = load_control(path)
    assert control.kind == "T2I-Adapter"
    assert control.report.matched == control.report.total == len(theirs.state_dict())
    side = control.net.config.factor
    picture = torch.rand(1, theirs.config.in_channels, 7 * side, 9 * side)
    with torch.no_grad():
        mine, reference = control.net(picture), theirs(picture)
    assert [f.shape for f in mine] == [f.shape for f in reference]
    assert max((a - b).abs().max() for a, b in zip(mine, reference, strict=True)) <= 1e-5


@pytest.mark.parametrize(("kind", "family"), [("full", "sd1"), ("full", "sd2"), ("light", "sd1"), ("sdxl", "sdxl")])
def test_the_unet_answers_as_in_diffusers(kind: str, family: str, tmp_path: Path) -> None:
    theirs, unet = adapter(kind), their_unet(family)
    control = load_control(saved(theirs, tmp_path))
    net = UNet(unet_config(unet.config)).eval()
    net.load_state_dict(unet.state_dict())
    control.check(net.config)
    x, t, context, picture = inputs(16, 20) if family == "sdxl" else inputs()
    own, more = asked(family)
    with torch.no_grad():
        features = [f * 0.8 for f in theirs(picture[:1])]
        twice = [f.repeat(2, 1, 1, 1) for f in features]
        reference = unet(x, t, context, down_intrablock_additional_residuals=twice, **more).sample
        calls = steered(net, lambda module: module, [t2i_act(control.net, picture[:1], 0.8, Window())])
        mine, plain = calls(x, t, context, **own), net(x, t, context, **own)
    assert (mine - reference).abs().max() <= 1e-5
    assert (mine - plain).abs().max() > 1e-3
    with torch.no_grad():
        assert torch.equal(net(x, t, context, **own), plain)


def test_outside_its_window_the_unet_is_as_it_was(tmp_path: Path) -> None:
    control = load_control(saved(adapter("full"), tmp_path))
    net = UNet(unet_config(their_unet("sd1").config)).eval()
    x, t, context, picture = inputs()
    calls = steered(net, lambda module: module, [t2i_act(control.net, picture, 1.0, Window(until=300.0))])
    with torch.no_grad():
        assert torch.equal(calls(x, t, context), net(x, t, context))
        assert not torch.equal(calls(x, t - 100, context), net(x, t - 100, context))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    control = load_control(saved(adapter("full"), tmp_path / "a"))
    with pytest.raises(ValueError, match=r"stages of \[16, 32, 32, 32\] channels, but this model has \[16, 32, 32\]"):
        control.check(unet_config(their_unet("sdxl").config))
    tensors = original(adapter("full"))
    tensors["body.2.down_opt.op.weight"] = torch.zeros(1)
    save_file(tensors, tmp_path / "conv.safetensors")
    with pytest.raises(CheckpointError, match="halves by convolutions"):
        load_control(tmp_path / "conv.safetensors")
