"""Files that are damaged, of another kind or for another model: one sentence that says what, where and why."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_lora_real_files import nets
from torch import Tensor

from lora_samples import kohya, saved
from sukashi.adapters.lora.apply import nets_of, open_lora
from sukashi.adapters.lora.match import match
from sukashi.adapters.lora.read import read_lora
from sukashi.weights.errors import CheckpointError, PickleError
from sukashi.weights.parts import Parts
from tiny_models import tiny_model


@pytest.fixture
def parts() -> Parts:
    return tiny_model("sd1")


def test_what_does_not_fit_is_an_error_unless_allowed(parts: Parts, tmp_path: Path) -> None:
    content = kohya(parts)
    total = len(content) // 3
    content["lora_unet_nowhere.lora_down.weight"], content["lora_unet_nowhere.lora_up.weight"] = (
        torch.zeros(2, 2),
        torch.ones(2, 2),
    )
    content["stray"] = torch.zeros(1)
    path = saved(content, tmp_path / "a.safetensors")
    message = rf"a.safetensors: {total} of {total + 1} layers .* fit the model; strict=False leaves out"
    with pytest.raises(CheckpointError, match=message) as caught:
        open_lora(path, parts)
    names = {"lora_unet_nowhere.lora_down.weight", "lora_unet_nowhere.lora_up.weight", "stray"}
    assert set(caught.value.unexpected) == names and "lora_unet_nowhere.lora_down.weight" in str(caught.value)
    report = open_lora(path, parts, strict=False).report
    assert set(report.unmatched) == names and sum(report.matched.values()) == total == report.total - 1
    assert "3 tensors left out" in str(report)


def test_wrong_shapes_are_named(parts: Parts, tmp_path: Path) -> None:
    content = kohya(parts)
    name = next(name for name in content if name.endswith("to_q.lora_down.weight")).removesuffix(".lora_down.weight")
    content[f"{name}.lora_down.weight"] = torch.zeros(2, 99)
    with pytest.raises(CheckpointError, match=r"wrong shape \(1\): .*the factors make \(\d+, 99\) where the weight is"):
        open_lora(saved(content, tmp_path / "a.safetensors"), parts)
    lora = open_lora(tmp_path / "a.safetensors", parts, strict=False)
    assert len(lora.report.unmatched) == 3 and all(name in key for key in lora.report.unmatched)
    content = {"lora_unet_conv_in.diff_b": torch.zeros(3)}
    with pytest.raises(CheckpointError, match="a bias of 3 numbers where there are 8 outputs"):
        open_lora(saved(content, tmp_path / "b.safetensors"), parts)


def test_half_a_pair_is_not_taken(parts: Parts, tmp_path: Path) -> None:
    content = kohya(parts)
    name = next(name for name in content if name.endswith("lora_up.weight"))
    content.pop(name)
    with pytest.raises(CheckpointError) as caught:
        open_lora(saved(content, tmp_path / "a.safetensors"), parts)
    assert set(caught.value.unexpected) == {name.replace("up.w", "down.w"), name.replace("lora_up.weight", "alpha")}


@pytest.mark.parametrize(
    ("names", "base"),
    [
        (["lora_unet_double_blocks_0_img_attn_proj"], "Flux"),
        (["transformer.single_transformer_blocks.0.attn.to_q"], "Flux"),
        (["lora_unet_joint_blocks_0_x_block_attn_proj"], "SD 3"),
        (["lora_te2_text_model_encoder_layers_0_mlp_fc1"], "SDXL"),
    ],
)
def test_other_families_are_named(names: list[str], base: str, parts: Parts, tmp_path: Path) -> None:
    content = {f"{n}.lora_{side}.weight": torch.zeros(2, 2) for n in names for side in ("down", "up")}
    with pytest.raises(CheckpointError, match=f"a.safetensors is a LoRA for {base}"):
        open_lora(saved(content, tmp_path / "a.safetensors"), parts)


def test_families_are_told_by_shapes_and_else_by_what_is_written(tmp_path: Path) -> None:
    name = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
    wide = {f"{name}.lora_down.weight": torch.zeros(2, 2048), f"{name}.lora_up.weight": torch.zeros(640, 2)}
    path = saved(wide, tmp_path / "xl.safetensors")
    with pytest.raises(CheckpointError, match=r"a LoRA for SDXL \(context width 2048\); this model is SD 1.x \(768\)"):
        match(read_lora(path), nets("sd1"))
    assert match(read_lora(path), nets("sdxl")).report.base == "SDXL"
    first = "lora_unet_down_blocks_0_resnets_0_conv1"
    down, up = torch.zeros(2, 320, 3, 3), torch.zeros(320, 2, 1, 1)
    plain = {f"{first}.lora_down.weight": down, f"{first}.lora_up.weight": up}
    for key, value, base in (
        ("ss_base_model_version", "sd_v2_v", "SD 2.x"),
        ("modelspec.architecture", "stable-diffusion-xl-v1-base/lora", "SDXL"),
        ("x", "y", None),
    ):
        report = match(read_lora(saved(plain, tmp_path / "c.safetensors", **{key: value})), nets("sdxl")).report
        assert report.base == base
    said = saved(plain, tmp_path / "f.safetensors", ss_base_model_version="flux1")
    with pytest.raises(CheckpointError, match="is a LoRA for Flux, which is not a kind of model known here"):
        match(read_lora(said), nets("sd1"))


REFUSED: dict[str, tuple[dict[str, Tensor], str]] = {
    "checkpoint": ({"model.diffusion_model.x": torch.zeros(1)}, "is a checkpoint, not a LoRA"),
    "vae": ({"decoder.mid.x": torch.zeros(1)}, "is an autoencoder .* not a LoRA"),
    "embedding": ({"emb_params": torch.zeros(1, 768)}, "is a textual inversion embedding, not a LoRA"),
    "control": ({"control_model.x": torch.zeros(1)}, "is a ControlNet, not a LoRA"),
    "nothing": ({"a": torch.zeros(1)}, r"is not a LoRA of a kind known here: it holds 1 tensors \(a\)"),
    "boft": ({"lora_unet_conv_in.oft_blocks": torch.zeros(2, 2, 4, 4)}, "is a BOFT .*not supported"),
    "peft oft": ({"base_model.model.conv_in.oft_R.weight": torch.zeros(2, 6)}, "is an OFT of PEFT.*not supported"),
    "ia3": ({"base_model.model.to_k.ia3_l": torch.zeros(8, 1)}, "is an IA3 of PEFT's kind .*not supported"),
    "vera": ({"base_model.model.to_k.vera_lambda_b": torch.zeros(8)}, "is a VeRA .*not supported"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_files_of_other_kinds(name: str, tmp_path: Path) -> None:
    content, reason = REFUSED[name]
    with pytest.raises(CheckpointError, match=f"a.safetensors {reason}"):
        read_lora(saved(content, tmp_path / "a.safetensors"))


def test_damaged_and_renamed_files(parts: Parts, tmp_path: Path) -> None:
    whole = saved(kohya(parts), tmp_path / "whole.safetensors").read_bytes()
    torch.save(kohya(parts), tmp_path / "good.pt")
    pickled = (tmp_path / "good.pt").read_bytes()
    files = {
        "cut.safetensors": (whole[: len(whole) // 2], "cut short or damaged"),
        "header.safetensors": (whole[:100], "neither a safetensors file nor|cut short"),
        "empty.safetensors": (b"", "is empty"),
        "page.safetensors": (b"<!DOCTYPE html><html><body>404</body></html>" * 9, "is a web page"),
        "page.pt": (b"\n<html><head></head></html>" * 9, "is a web page"),
        "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "a pointer of git-lfs"),
        "pickle.safetensors": (pickled, "is a pickle of torch .*\\.pt"),
        "cut.pt": (pickled[: len(pickled) // 2], "is damaged"),
        "text.pt": (b"hello, this is no model at all", "neither a safetensors file nor a pickle"),
    }
    for name, (data, reason) in files.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CheckpointError, match=reason) as caught:
            read_lora(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value), name
    (tmp_path / "really_safe.pt").write_bytes(whole)  # a safetensors file by another name can be read
    assert len(read_lora(tmp_path / "really_safe.pt").layers) == len(read_lora(tmp_path / "good.pt").layers)
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_lora(tmp_path / "absent.safetensors")


def test_pickles_are_read_as_data(parts: Parts, tmp_path: Path) -> None:
    torch.save({"x": Path("evil")}, tmp_path / "evil.pt")
    with pytest.raises(PickleError, match="refused"):
        read_lora(tmp_path / "evil.pt")
    torch.save([torch.zeros(4, 1)] * 3, tmp_path / "odd.pt")
    with pytest.raises(CheckpointError, match="a list of 3 tensors, not pairs"):
        read_lora(tmp_path / "odd.pt")
    torch.save([torch.zeros(4, 1), torch.zeros(1, 4)], tmp_path / "few.pt")
    with pytest.raises(CheckpointError, match="0 of 1 layers of this LoRA fit the model"):
        match(read_lora(tmp_path / "few.pt"), nets_of(parts))
