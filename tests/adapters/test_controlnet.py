"""ControlNets against diffusers: same names and shapes, same residuals, the same U-Net around them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from control_models import CROSS, PLAIN, UNETS, asked, inputs, saved, their_controlnet, their_unet

from sukashi.adapters.control.controlnet import as_controlnet, controlnet_config
from sukashi.adapters.control.load import load_control
from sukashi.families import FAMILIES
from sukashi.nets.controlnet import ControlNet, scaled
from sukashi.nets.unet import UNet
from sukashi.weights.configs import unet_config

diffusers = pytest.importorskip("diffusers", reason="diffusers is the oracle here")
KINDS = {
    "sd1": ("sd1", {}),
    "sd2": ("sd2", {}),
    "sdxl": ("sdxl", {}),
    "sdxl small": (
        "sdxl",
        dict(down_block_types=(PLAIN,) * 3, mid_block_type="UNetMidBlock2D", transformer_layers_per_block=1),
    ),
    "bgr": ("sd1", dict(controlnet_conditioning_channel_order="bgr")),
    "shuffle": ("sd1", dict(global_pool_conditions=True)),
    "two hint steps": ("sd1", dict(conditioning_embedding_out_channels=(8, 12, 16))),
}


def test_a_controlnet_of_sd1_has_the_published_keys_and_shapes(shared_data: Path) -> None:
    published = json.loads((shared_data / "5_model_configs_and_keys/key_dumps/controlnet_canny_sd1.json").read_text())
    with torch.device("meta"):
        ours = {k: list(v.shape) for k, v in ControlNet(as_controlnet(FAMILIES["sd1"].unet)).state_dict().items()}
    assert len(ours) == 340
    assert ours == {name: entry["shape"] for name, entry in published.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_residuals_are_those_of_diffusers(kind: str, tmp_path: Path) -> None:
    family, changes = KINDS[kind]
    theirs = their_controlnet(family, **changes)
    control = load_control(saved(theirs, tmp_path / "net"))
    assert control.report.matched == control.report.total == len(theirs.state_dict())
    x, t, context, picture = inputs()
    picture = picture[..., : 60 * 1, : 52 * 1] if kind == "two hint steps" else picture
    own, more = asked(family)
    with torch.no_grad():
        down, mid = theirs(x, t, context, picture, conditioning_scale=0.7, return_dict=False, **more)
        found = control.net(x, t, context, picture, **own)
    found = scaled(found, 0.7, pooled=control.net.config.pooled_residuals)
    assert len(found) == len(down) + 1
    for mine, reference in zip(found, [*down, mid], strict=True):
        assert mine.shape == reference.shape
        assert reference.abs().max() > 1e-3
        assert (mine - reference).abs().max() <= 1e-5


def test_guess_mode_weighs_as_diffusers_does(tmp_path: Path) -> None:
    theirs = their_controlnet("sd1")
    control = load_control(saved(theirs, tmp_path))
    x, t, context, picture = inputs()
    with torch.no_grad():
        down, mid = theirs(x, t, context, picture, conditioning_scale=0.5, guess_mode=True, return_dict=False)
        found = scaled(control.net(x, t, context, picture), 0.5, guess=True)
    assert max((a - b).abs().max() for a, b in zip(found, [*down, mid], strict=True)) <= 1e-6


@pytest.mark.parametrize("family", UNETS)
def test_a_unet_takes_residuals_as_in_diffusers(family: str) -> None:
    theirs, control = their_unet(family), their_controlnet(family)
    net = UNet(unet_config(theirs.config)).eval()
    net.load_state_dict(theirs.state_dict())
    x, t, context, picture = inputs()
    own, more = asked(family)
    with torch.no_grad():
        down, mid = control(x, t, context, picture, return_dict=False, **more)
        added = dict(down_block_additional_residuals=down, mid_block_additional_residual=mid)
        reference = theirs(x, t, context, **added, **more).sample
        mine = net(x, t, context, residuals=[*down, mid], **own)
        plain = net(x, t, context, **own)
    assert (mine - reference).abs().max() <= 1e-5
    assert (mine - plain).abs().max() > 1e-2


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    control = load_control(saved(their_controlnet("sd1"), tmp_path))
    x, t, context, picture = inputs()
    with pytest.raises(ValueError, match=r"104 x 112 pixels for a latent of 13 x 15 cells.*8 pixels for each cell"):
        control.net(x, t, context, picture[:, :, :-8])


def test_a_config_that_is_not_understood_is_refused() -> None:
    config = dict(their_controlnet("sd1").config)
    assert controlnet_config(config).hint_channels == (8, 12, 16, 20)
    with pytest.raises(ValueError, match="channel_order = 'grb'; accepted: 'rgb', 'bgr'"):
        controlnet_config(config | dict(controlnet_conditioning_channel_order="grb"))
    with pytest.raises(ValueError, match="ControlNetUnionModel"):
        controlnet_config(config | dict(_class_name="ControlNetUnionModel"))
    with pytest.raises(ValueError, match="resnet_time_scale_shift = 'scale_shift' is not supported"):
        controlnet_config(config | dict(resnet_time_scale_shift="scale_shift"))
    assert CROSS in config["down_block_types"]
