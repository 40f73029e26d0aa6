"""Diffusers folders as they are found: old and new names, variants, shards, pickles."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sukashi.nets.clip import CLIPText
from sukashi.nets.vae import VAE
from sukashi.weights.components import read_text_config, read_vae_config, text_from_folder, vae_from_folder
from sukashi.weights.errors import CheckpointError, ConfigError
from sukashi.weights.load import load_parts
from sukashi.weights.names import VAE_OLD
from sukashi.weights.parts import Hold
from sukashi.weights.save import save_folder
from sukashi.weights.tensors import open_tensors, to_be_written, write_safetensors
from tiny_models import equal, tensors, tiny_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_folder(tiny_model("sd1"), tmp_path / "model")
    return tmp_path / "model"


def state(path: Path) -> dict[str, torch.Tensor]:
    return {k: s.read().clone() for k, s in open_tensors(path).items()}


def write(path: Path, tensors_to_write: dict[str, torch.Tensor]) -> None:
    write_safetensors(path, {k: to_be_written(t) for k, t in tensors_to_write.items()}, overwrite=True)


def rewrite(path: Path, change) -> None:
    """Write a file again with every (name, tensor) changed."""
    write(path, dict(change(k, t) for k, t in state(path).items()))


def test_the_text_encoder_with_and_without_its_prefix(folder):
    path = folder / "text_encoder" / "model.safetensors"
    assert all(k.startswith("text_model.") for k in state(path))
    rewrite(path, lambda k, t: (k.removeprefix("text_model."), t))
    assert equal(load_parts(folder), tiny_model("sd1"))


def test_position_ids_are_known_and_ignored(folder):
    path = folder / "text_encoder" / "model.safetensors"
    write(path, state(path) | {"text_model.embeddings.position_ids": torch.arange(77.0)[None]})
    parts = load_parts(folder)
    assert equal(parts, tiny_model("sd1"))
    assert parts.report.ignored == ("text_model.embeddings.position_ids",)
    assert "not needed: 1 tensors (text_model.embeddings.position_ids)" in str(parts.report)


@pytest.mark.parametrize("shape", ["linear", "conv"])
@pytest.mark.parametrize("spelling", ["new", "old"])
def test_the_spellings_and_shapes_of_vae_attention(folder, spelling, shape):
    def change(name: str, t: torch.Tensor):
        if "attentions.0." in name and "group_norm" not in name:
            if shape == "conv" and name.endswith("weight"):
                t = t[:, :, None, None]
            if spelling == "old":
                for new, old in VAE_OLD.items():
                    name = name.replace(f".{new}.", f".{old}.")
        return name, t

    path = folder / "vae" / "diffusion_pytorch_model.safetensors"
    rewrite(path, change)
    assert any("proj_attn" in k for k in state(path)) == (spelling == "old")
    assert equal(load_parts(folder), tiny_model("sd1"))


def test_variants_are_taken_when_asked_for(folder):
    for part, stem in (
        ("unet", "diffusion_pytorch_model"),
        ("vae", "diffusion_pytorch_model"),
        ("text_encoder", "model"),
    ):
        whole = state(folder / part / f"{stem}.safetensors")
        write(folder / part / f"{stem}.fp16.safetensors", {k: t.half() for k, t in whole.items()})
    assert load_parts(folder).unet.conv_in.weight.dtype == torch.float32
    half = load_parts(folder, variant="fp16")
    assert {t.dtype for t in tensors(half).values()} == {torch.float16}
    assert half.report.notes == ()
    (folder / "vae" / "diffusion_pytorch_model.fp16.safetensors").unlink()
    mixed = load_parts(folder, variant="fp16")
    assert mixed.vae.quant_conv.weight.dtype == torch.float32
    assert mixed.report.notes == (f"{folder / 'vae'} has no variant 'fp16'; the plain files are used",)
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    only = load_parts(folder)
    assert "has no plain files; diffusion_pytorch_model.fp16.safetensors is used" in only.report.notes[0]


@pytest.mark.parametrize(
    ("variant", "index", "shard"),
    [
        (None, "diffusion_pytorch_model.safetensors.index.json", "diffusion_pytorch_model-0000{}-of-00002.safetensors"),
        (
            "fp16",
            "diffusion_pytorch_model.safetensors.index.fp16.json",
            "diffusion_pytorch_model.fp16-0000{}-of-00002.safetensors",
        ),
        (
            "fp16",
            "diffusion_pytorch_model.fp16.safetensors.index.json",
            "diffusion_pytorch_model-0000{}-of-00002.fp16.safetensors",
        ),
    ],
)
def test_shards_with_an_index(folder, variant, index, shard):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    whole = state(path)
    path.unlink()
    half = len(whole) // 2
    parts = dict(list(whole.items())[:half]), dict(list(whole.items())[half:])
    weight_map = {}
    for i, part in enumerate(parts, 1):
        write(folder / "unet" / shard.format(i), part)
        weight_map |= {name: shard.format(i) for name in part}
    (folder / "unet" / index).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    loaded = load_parts(folder, variant=variant)
    assert equal(loaded, tiny_model("sd1"))
    assert "and 1 more" in str(loaded.report)
    (folder / "unet" / shard.format(2)).unlink()
    with pytest.raises(CheckpointError, match="no such file"):
        load_parts(folder, variant=variant)
    (folder / "unet" / index).write_text(json.dumps({"weight_map": {"conv_in.weight": "../../secret.safetensors"}}))
    with pytest.raises(CheckpointError, match="not a file next to its index"):
        load_parts(folder, variant=variant)


def test_pickled_weights_are_read_and_safetensors_preferred(folder):
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({k: t + 1 for k, t in state(path).items()}, folder / "unet" / "diffusion_pytorch_model.bin")
    assert equal(load_parts(folder), tiny_model("sd1"))
    path.unlink()
    loaded = load_parts(folder)
    assert torch.equal(loaded.unet.conv_in.weight, tiny_model("sd1").unet.conv_in.weight + 1)


def test_a_vae_and_a_text_encoder_from_elsewhere(folder, tmp_path):
    for part in ("vae", "text_encoder"):
        (tmp_path / part).mkdir()
        (folder / part / "config.json").rename(tmp_path / part / "config.json")
        for path in (folder / part).glob("*.safetensors"):
            path.rename(tmp_path / part / path.name)
    parts = load_parts(folder, vae=tmp_path / "vae", text_encoder=tmp_path / "text_encoder")
    assert equal(parts, tiny_model("sd1"))
    assert equal(load_parts(folder, vae=tmp_path, text_encoder=[tmp_path]), parts)
    with pytest.raises(ConfigError, match=r"vae.config\.json: no such file"):
        load_parts(folder)


def test_a_folder_without_an_index_or_scheduler(folder):
    (folder / "model_index.json").unlink()
    (folder / "scheduler" / "scheduler_config.json").unlink()
    parts = load_parts(folder)
    assert equal(parts, tiny_model("sd1"))
    assert parts.report.evidence == "the default of its family: the folder has no scheduler"


def test_what_is_no_model_folder_is_said_to_be_none(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(CheckpointError, match=r"no model_index.json, no unet/; it holds notes\.txt"):
        load_parts(tmp_path)
    with pytest.raises(CheckpointError, match="no such file or folder, and not a hub id") as caught:
        load_parts(tmp_path / "nothing.safetensors")
    assert isinstance(caught.value, FileNotFoundError)


def test_a_component_without_weights_says_what_it_holds(folder):
    (folder / "unet" / "diffusion_pytorch_model.safetensors").rename(folder / "unet" / "weights.safetensors")
    with pytest.raises(CheckpointError, match=r"no weights; it holds config\.json, weights\.safetensors; looked for"):
        load_parts(folder)


def test_the_scheduler_and_the_argument_decide_the_prediction_type(folder):
    path = folder / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"prediction_type": "v_prediction"}))
    parts = load_parts(folder)
    assert (parts.report.predicts, parts.report.evidence) == ("v_prediction", "scheduler_config.json says so")
    parts = load_parts(folder, prediction_type="eps")
    assert (parts.scheduler["prediction_type"], parts.report.evidence) == ("epsilon", "the argument")
    with pytest.raises(ConfigError, match="prediction type 'w' is not known; accepted: epsilon"):
        load_parts(folder, prediction_type="w")
    path.write_text(json.dumps({k: v for k, v in config.items() if k != "prediction_type"}))
    assert load_parts(folder).report.evidence == "the default, scheduler_config.json does not say"
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"scheduler_config\.json: not json"):
        load_parts(folder)


def test_an_unsupported_config_names_its_file(folder):
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"act_fn": "mish"}))
    with pytest.raises(ConfigError, match=r"unet.config\.json: U-Net config: act_fn = 'mish' is not supported"):
        load_parts(folder)


def test_components_that_are_not_loaded_are_named(folder):
    path = folder / "model_index.json"
    more = {"controlnet": ["diffusers", "ControlNetModel"], "image_encoder": [None, None]}
    path.write_text(json.dumps(json.loads(path.read_text()) | more))
    assert load_parts(folder).report.notes == ("not loaded: controlnet",)


def test_the_real_pickled_parts_of_a_tiny_model(shared_data):
    base = shared_data / "7_small_real_models" / "hf_tiny_stable_diffusion_torch"
    text, text_report = text_from_folder(base / "text_encoder", Hold())
    vae, vae_report = vae_from_folder(base / "vae", tiny_model("sd1").family.vae, Hold())
    for net, report, part in ((text, text_report, "text_encoder"), (vae, vae_report, "vae")):
        (path,) = (base / part).glob("*.bin")
        stored = torch.load(path, weights_only=True)
        assert report.matched == report.total == len(net.state_dict())
        found = {k: t for k, t in net.state_dict().items() if k in stored}
        assert found and all(torch.equal(t, stored[k]) for k, t in found.items())
    assert text_report.ignored == ("text_model.embeddings.position_ids",)
    assert isinstance(text, CLIPText) and text.config == read_text_config(base / "text_encoder")
    assert isinstance(vae, VAE) and vae.config == read_vae_config(base / "vae")
    old = torch.load(base / "vae" / "diffusion_pytorch_model.bin", weights_only=True)
    assert torch.equal(
        vae.decoder.mid_block.attentions[0].to_q.weight, old["decoder.mid_block.attentions.0.query.weight"]
    )


def test_the_tiny_pipelines_of_other_people_load_whole(shared_data):
    for path in sorted((shared_data / "6_references" / "tiny_pipelines" / "models").iterdir()):
        parts = load_parts(path)
        assert all(part.matched == part.total for part in parts.report.parts)
        assert len(parts.tokenizers) == len(parts.text_encoders) == len(parts.family.text)
        assert parts.tokenizers[0]("a cat").shape == (1, 77)
