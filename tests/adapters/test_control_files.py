"""Control networks in files: the original's names, prefixes, pickles, and files that are something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from control_models import UNETS, asked, inputs, saved, their_controlnet, their_unet
from safetensors.torch import save_file

from sukashi.adapters.control.controlnet import as_controlnet, config_of_file, control_rules, controlnet_config
from sukashi.adapters.control.load import load_control
from sukashi.families import FAMILIES
from sukashi.nets.controlnet import ControlNet
from sukashi.weights.configs import unet_config
from sukashi.weights.errors import CheckpointError
from sukashi.weights.names import rename
from sukashi.weights.tensors import Stored, TensorFile

diffusers = pytest.importorskip("diffusers", reason="diffusers is the oracle here")
from diffusers.loaders.single_file_utils import convert_controlnet_checkpoint  # noqa: E402


def original(theirs: Any, prefix: str = "control_model.") -> dict[str, torch.Tensor]:
    """The tensors of a network of diffusers under the original's names."""
    rules = control_rules(controlnet_config(theirs.config))
    return {prefix + rename(name, rules): t.clone() for name, t in theirs.state_dict().items()}


@pytest.mark.parametrize("family", UNETS)
def test_the_originals_names_are_those_that_diffusers_converts(family: str) -> None:
    theirs = their_controlnet(family)
    converted = convert_controlnet_checkpoint(original(theirs), dict(theirs.config))
    wanted = {k: v for k, v in theirs.state_dict().items() if not k.startswith("add_embedding")}  # it forgets these
    assert {k for k, v in converted.items() if v is not None} == set(wanted)
    assert all(torch.equal(converted[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("prefix", ["control_model.", ""])
@pytest.mark.parametrize("family", UNETS)
def test_a_file_with_the_originals_names(family: str, prefix: str, tmp_path: Path) -> None:
    theirs = their_controlnet(family)
    tensors = original(theirs, prefix)
    if prefix:
        tensors["model.diffusion_model.input_blocks.0.0.weight"] = torch.zeros(1)  # a whole checkpoint is around it
    save_file(tensors, tmp_path / "control.safetensors")
    control = load_control(tmp_path / "control.safetensors", like=unet_config(their_unet(family).config))
    assert control.report.matched == control.report.total == len(theirs.state_dict())
    x, t, context, picture = inputs()
    own, more = asked(family)
    with torch.no_grad():
        down, mid = theirs(x, t, context, picture, return_dict=False, **more)
        found = control.net(x, t, context, picture, **own)
    assert max((a - b).abs().max() for a, b in zip(found, [*down, mid], strict=True)) <= 1e-5


def test_a_pickle_and_a_file_with_the_names_of_diffusers(tmp_path: Path) -> None:
    theirs = their_controlnet("sd1")
    like = unet_config(their_unet("sd1").config)
    torch.save({"state_dict": original(theirs)}, tmp_path / "control.pth")
    save_file({k: v.half() for k, v in theirs.state_dict().items()}, tmp_path / "other.safetensors")
    pickled, renamed = (load_control(tmp_path / n, like=like) for n in ("control.pth", "other.safetensors"))
    assert torch.equal(pickled.net.conv_in.weight, theirs.conv_in.weight)
    assert renamed.net.conv_in.weight.dtype == torch.float16
    assert renamed.report.matched == pickled.report.matched == len(theirs.state_dict())


def test_the_shuffle_controlnet_is_known_by_its_name(tmp_path: Path) -> None:
    save_file(original(their_controlnet("sd1")), tmp_path / "control_v11e_sd15_shuffle.safetensors")
    control = load_control(tmp_path / "control_v11e_sd15_shuffle.safetensors", like=unet_config(UNETS["sd1"]))
    assert control.net.config.pooled_residuals
    assert "averaged" in control.report.notes[0]


def test_families_of_files_are_told_by_their_text(tmp_path: Path) -> None:
    for name in ("sd1", "sd2", "sdxl"):
        config = as_controlnet(FAMILIES[name].unet)
        with torch.device("meta"):
            shapes = {k: tuple(v.shape) for k, v in ControlNet(config).state_dict().items()}
        rules = control_rules(config)
        stored = {rename(k, rules): Stored(s, torch.float16, lambda: torch.zeros(0)) for k, s in shapes.items()}
        assert config_of_file(TensorFile((tmp_path,), stored, {}), tmp_path, None) == config


REFUSED = {
    "a ControlNet-LoRA": ["lora_controlnet", "input_hint_block.0.weight"],
    "a ControlNet kept as its difference": ["difference", "control_model.zero_convs.0.0.weight"],
    "a ControlNet-Union": ["task_embedding", "controlnet_mid_block.weight"],
    "a ControlNet-LLLite": ["lllite_unet_input_blocks_4_1.down.0.weight"],
    "it is a LoRA": ["lora_unet_down_blocks_0.lora_down.weight"],
    "it is a checkpoint": ["model.diffusion_model.input_blocks.0.0.weight"],
    "it is of no known kind; it has tree, wood": ["tree", "wood"],
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_files_are_refused_by_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    save_file({name: torch.zeros(2, 2) for name in REFUSED[kind]}, path)
    with pytest.raises(CheckpointError) as error:
        load_control(path)
    assert kind in str(error.value)
    assert str(path) in str(error.value)


def test_a_file_cut_short_and_a_file_that_lacks_a_tensor(tmp_path: Path) -> None:
    tensors = original(their_controlnet("sd1"))
    whole, cut, less = (tmp_path / f"{name}.safetensors" for name in ("whole", "cut", "less"))
    save_file(tensors, whole)
    cut.write_bytes(whole.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cut short or damaged"):
        load_control(cut)
    del tensors["control_model.zero_convs.3.0.bias"]
    save_file(tensors, less)
    with pytest.raises(CheckpointError, match=r"missing \(1\): control_model.zero_convs.3.0.bias"):
        load_control(less, like=unet_config(their_unet("sd1").config))


def test_a_controlnet_of_another_family_is_refused(tmp_path: Path) -> None:
    control = load_control(saved(their_controlnet("sd1"), tmp_path))
    control.check(unet_config(their_unet("sd1").config))
    with pytest.raises(ValueError, match=r"for a text of width 24, but this model has 2048 \(SDXL\)"):
        control.check(FAMILIES["sdxl"].unet)
