"""Folder to single file and back, for every family; and what the oracles make of what we write."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from sukashi.families import FAMILIES
from sukashi.weights.convert import convert
from sukashi.weights.errors import ConfigError
from sukashi.weights.load import load_parts
from sukashi.weights.save import save_folder, save_single_file
from sukashi.weights.tensors import open_tensors
from tiny_models import equal, tensors, tiny_model


@pytest.mark.parametrize("name", FAMILIES)
def test_folder_to_single_file_to_folder_keeps_every_tensor(tmp_path, name):
    parts = tiny_model(name)
    save_folder(parts, tmp_path / "first")
    convert(tmp_path / "first", tmp_path / "model.safetensors")
    convert(tmp_path / "model.safetensors", tmp_path / "second")
    middle, last = load_parts(tmp_path / "model.safetensors"), load_parts(tmp_path / "second")
    assert equal(parts, middle)
    assert equal(parts, last)
    assert parts.family == middle.family == last.family
    prompt = "A cat, 7 dogs! 猫"
    for tokenizer, again in zip(parts.tokenizers, last.tokenizers, strict=True):
        assert torch.equal(tokenizer(prompt), again(prompt))


@pytest.mark.parametrize("name", ["sd1", "sd2-v", "sdxl"])
def test_folder_and_single_file_compute_the_same(tmp_path, name):
    save_folder(tiny_model(name), tmp_path / "folder")
    convert(tmp_path / "folder", tmp_path / "model.safetensors")
    x, outputs = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)), []
    for path in (tmp_path / "folder", tmp_path / "model.safetensors"):
        parts = load_parts(path)
        states = [t(tok("a cat")) for t, tok in zip(parts.text_encoders, parts.tokenizers, strict=True)]
        context = torch.cat([state.hidden[-2] for state in states], dim=-1)
        extra = {}
        if parts.family.size_numbers:
            extra = {"pooled": states[-1].pooled, "sizes": torch.ones(1, parts.family.size_numbers)}
        outputs.append(parts.vae.decode(parts.unet(x, torch.tensor([7]), context, **extra)))
    # the weights are equal bit for bit (see above); where a file lies in memory decides in which order a CPU sums
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-6)


def test_number_types(tmp_path):
    save_folder(tiny_model("sd1"), tmp_path / "full")
    convert(tmp_path / "full", tmp_path / "half.safetensors", dtype="fp16")
    convert(tmp_path / "half.safetensors", tmp_path / "brain", dtype="bf16")
    half, brain = tensors(load_parts(tmp_path / "half.safetensors")), tensors(load_parts(tmp_path / "brain"))
    for name, t in tensors(tiny_model("sd1")).items():
        assert torch.equal(half[name], t.half())
        assert torch.equal(brain[name], t.half().bfloat16())
    config = json.loads((tmp_path / "brain" / "text_encoder" / "config.json").read_text())
    assert config["torch_dtype"] == "bfloat16"
    with pytest.raises(ConfigError, match="number type 'int3' is not known; accepted: fp16"):
        convert(tmp_path / "full", tmp_path / "x.safetensors", dtype="int3")


def test_nothing_is_replaced_unless_asked_for(tmp_path):
    save_folder(tiny_model("sd1"), tmp_path / "a")
    convert(tmp_path / "a", tmp_path / "b.safetensors")
    before = (tmp_path / "b.safetensors").stat().st_mtime_ns
    for target in ("a", "b.safetensors"):
        with pytest.raises(FileExistsError, match="exists already"):
            convert(tmp_path / "a", tmp_path / target)
    assert (tmp_path / "b.safetensors").stat().st_mtime_ns == before
    convert(tmp_path / "a", tmp_path / "b.safetensors", overwrite=True, dtype="fp16")
    assert open_tensors(tmp_path / "b.safetensors")["first_stage_model.quant_conv.bias"].dtype == torch.float16
    convert(tmp_path / "b.safetensors", tmp_path / "a", overwrite=True)
    assert load_parts(tmp_path / "a").unet.conv_in.weight.dtype == torch.float16
    with pytest.raises(ConfigError, match="is a folder: a single file does not replace it"):
        (tmp_path / "c.safetensors").mkdir()
        convert(tmp_path / "a", tmp_path / "c.safetensors", overwrite=True)
    with pytest.raises(ConfigError, match="pickles are read but never written"):
        convert(tmp_path / "a", tmp_path / "c.ckpt")


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    parts = tiny_model("sd1")
    broken = replace(parts, text_encoders=(parts.text_encoders[0], parts.text_encoders[0]))
    for save, target in ((save_folder, tmp_path / "a"), (save_single_file, tmp_path / "a.safetensors")):
        with pytest.raises(ValueError):
            save(broken, target)
    assert list(tmp_path.iterdir()) == []


def test_the_header_says_what_the_file_is(tmp_path):
    save_single_file(tiny_model("sd2-v"), tmp_path / "my model.safetensors")
    metadata = open_tensors(tmp_path / "my model.safetensors").metadata
    assert metadata["modelspec.sai_model_spec"] == "1.0.1"
    assert metadata["modelspec.architecture"] == "stable-diffusion-v2-768-v"
    assert metadata["modelspec.prediction_type"] == "v"
    assert metadata["modelspec.title"] == "my model"
    assert metadata["modelspec.resolution"] == "64x64"


def test_marks_for_models_whose_family_does_not_imply_v(tmp_path):
    parts = tiny_model("sdxl")
    scheduler = {**parts.family.scheduler, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    save_single_file(replace(parts, family=replace(parts.family, scheduler=scheduler)), tmp_path / "v.safetensors")
    assert {"v_pred", "ztsnr"} <= set(open_tensors(tmp_path / "v.safetensors"))
    again = load_parts(tmp_path / "v.safetensors")
    assert again.family.predicts == "v_prediction"
    assert again.scheduler["rescale_betas_zero_snr"] is True
    assert again.report.evidence == "the key v_pred in the file"


PIPELINES = [name for name in FAMILIES if name != "sd2-depth"]  # diffusers wants a depth estimator there


@pytest.mark.parametrize("name", PIPELINES)
def test_diffusers_loads_our_folder(tmp_path, name):
    diffusers = pytest.importorskip("diffusers")
    pytest.importorskip("transformers")
    parts = tiny_model(name)
    save_folder(parts, tmp_path / "folder")
    pipe = diffusers.DiffusionPipeline.from_pretrained(tmp_path / "folder", local_files_only=True)
    assert type(pipe).__name__ == parts.family.pipeline
    encoders = [e for e in (pipe.components.get("text_encoder"), pipe.components.get("text_encoder_2")) if e]
    pairs = [(pipe.unet, parts.unet), (pipe.vae, parts.vae), *zip(encoders, parts.text_encoders, strict=True)]
    for theirs, ours in pairs:
        found = {k.removeprefix("text_model."): t for k, t in theirs.state_dict().items() if "position_ids" not in k}
        wanted = {k.removeprefix("text_model."): t for k, t in ours.state_dict().items()}
        assert set(found) == set(wanted)
        assert all(torch.equal(found[k], wanted[k]) for k in wanted)
    tokenizer = pipe.components.get("tokenizer") or pipe.components["tokenizer_2"]
    ids = tokenizer(["a cat!"], padding="max_length", max_length=77).input_ids
    assert ids == parts.tokenizers[0]("a cat!").tolist()


@pytest.mark.parametrize("name", ["sd1", "sd2-v", "sdxl"])
def test_diffusers_loads_our_single_file(tmp_path, name):
    diffusers = pytest.importorskip("diffusers")
    parts = tiny_model(name)
    save_folder(parts, tmp_path / "folder")
    save_single_file(parts, tmp_path / "model.safetensors")
    cls = getattr(diffusers, parts.family.pipeline)
    pipe = cls.from_single_file(tmp_path / "model.safetensors", config=str(tmp_path / "folder"), local_files_only=True)
    for net, ours in ((pipe.unet, parts.unet), (pipe.vae, parts.vae)):
        theirs = net.state_dict()
        assert all(torch.equal(theirs[k], t) for k, t in ours.state_dict().items())
