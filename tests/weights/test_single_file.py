"""Single files: recognised by facts, strict inside, and clear about what they lack."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sukashi.families import FAMILIES
from sukashi.weights.errors import CheckpointError, ConfigError
from sukashi.weights.load import load_parts
from sukashi.weights.save import save_folder, save_single_file
from sukashi.weights.single_file import CONFIGS, recognise
from sukashi.weights.tensors import Stored, TensorFile, open_tensors, to_be_written, write_safetensors
from tiny_models import equal, shrink, tensors, tiny_model


def save(name: str, path: Path, *, drop: str = "", add: dict[str, torch.Tensor] | None = None, **metadata: str) -> Path:
    """A tiny single file as others write it: no metadata of ours, perhaps without some tensors, perhaps with more."""
    save_single_file(tiny_model(name), path, overwrite=True)
    file = open_tensors(path)
    state = {k: s.read().clone() for k, s in file.items() if not (drop and k.startswith(drop))} | (add or {})
    write_safetensors(path, {k: to_be_written(t) for k, t in state.items()}, metadata, overwrite=True)
    return path


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A folder with the vocabulary of the tiny models."""
    tiny_model("sd1").tokenizers[0].save(tmp_path / "words")
    return tmp_path / "words"


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_loads_without_our_metadata(tmp_path, words, name):
    path = save(name, tmp_path / "m.safetensors")
    assert CONFIGS not in open_tensors(path).metadata
    parts = load_parts(path, family=shrink(FAMILIES[name]), vocabulary=words, prediction_type=FAMILIES[name].predicts)
    assert equal(parts, tiny_model(name))
    assert parts.family.name == name
    assert [t.settings.pad for t in parts.tokenizers] == list(FAMILIES[name].pad)
    assert all(part.matched == part.total for part in parts.report.parts)


def header(name: str, **changes: tuple[int, ...]) -> TensorFile:
    """The header of a full-size file as far as it is looked at."""
    unet, dim = FAMILIES[name].unet, FAMILIES[name].unet.time_dim
    shapes = {
        "input_blocks.0.0.weight": (unet.channels[0], unet.in_channels, 3, 3),
        "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, unet.context_dim),
    }
    shapes |= {"label_emb.0.0.weight": (dim, unet.pooled_dim)} if unet.pooled_dim else {}
    shapes |= {"label_emb.weight": (unet.noise_levels, dim)} if unet.noise_levels else {}
    shapes |= changes
    stored = {f"model.diffusion_model.{k}": Stored(s, torch.float16, lambda: torch.empty(0)) for k, s in shapes.items()}
    return TensorFile((Path("full.safetensors"),), stored, {})


@pytest.mark.parametrize("name", FAMILIES)
def test_the_family_is_recognised_from_the_header(name):
    assert recognise(header(name)).name == name.replace("sd2-v", "sd2")  # shapes cannot tell v


def test_an_unknown_family_lists_its_facts_and_the_known_ones():
    with pytest.raises(CheckpointError, match=r"are \(6, 768, \(\)\); known are sd1 \(4, 768, \(\)\); sd1-inpaint"):
        recognise(header("sd1", **{"input_blocks.0.0.weight": (320, 6, 3, 3)}))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lora_unet_down_blocks_0.lora_down.weight", "a LoRA"),
        ("emb_params", "a textual inversion embedding"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("model.diffusion_model.double_blocks.0.x", "a Flux model"),
        ("model.diffusion_model.joint_blocks.0.x", "a Stable Diffusion 3 model"),
        ("decoder.up.0.block.0.conv1.weight", "an autoencoder"),
        ("down_blocks.0.resnets.0.conv1.weight", "a U-Net of a diffusers folder"),
        ("text_model.final_layer_norm.bias", "a text encoder"),
    ],
)
def test_other_kinds_of_file_are_called_by_their_names(tmp_path, name, kind):
    write_safetensors(tmp_path / "x.safetensors", {name: to_be_written(torch.zeros(1))})
    with pytest.raises(CheckpointError, match=rf"x.safetensors is {kind}.*, not a checkpoint"):
        load_parts(tmp_path / "x.safetensors")


def test_files_that_are_none_are_refused(tmp_path):
    for text in (b"", b"hello, this is text and no header at all", (99).to_bytes(8, "little") + b"{" + b" " * 120):
        (tmp_path / "x.safetensors").write_bytes(text)
        with pytest.raises(CheckpointError, match=r"x\.safetensors"):
            load_parts(tmp_path / "x.safetensors")
    write_safetensors(tmp_path / "y.safetensors", {"a": to_be_written(torch.zeros(1))})
    with pytest.raises(CheckpointError, match=r"it has no model\.diffusion_model\.input_blocks.*; it has a"):
        load_parts(tmp_path / "y.safetensors")
    whole = (tmp_path / "y.safetensors").read_bytes()
    (tmp_path / "y.safetensors").write_bytes(whole[:-2])
    with pytest.raises(CheckpointError, match="cut short or damaged"):
        load_parts(tmp_path / "y.safetensors")


def test_pruned_files_say_what_to_supply(tmp_path, words):
    family = shrink(FAMILIES["sd1"])
    save_folder(tiny_model("sd1"), tmp_path / "whole")
    path = save("sd1", tmp_path / "m.safetensors", drop="first_stage_model.")
    with pytest.raises(CheckpointError, match=r"has no VAE \(no first_stage_model.*it was pruned; name one \(vae="):
        load_parts(path, family=family, vocabulary=words)
    assert equal(load_parts(path, family=family, vocabulary=words, vae=tmp_path / "whole"), tiny_model("sd1"))
    path = save("sd1", tmp_path / "m.safetensors", drop="cond_stage_model.")
    with pytest.raises(CheckpointError, match=r"no text encoder \(no cond_stage_model.transformer.*text_encoder="):
        load_parts(path, family=family, vocabulary=words)
    loaded = load_parts(path, family=family, vocabulary=words, text_encoder=tmp_path / "whole" / "text_encoder")
    assert equal(loaded, tiny_model("sd1"))


@pytest.mark.parametrize("prefix", ["first_stage_model.", ""])
@pytest.mark.parametrize("ending", ["safetensors", "pt"])
def test_a_vae_in_a_file_of_its_own(tmp_path, words, ending, prefix):
    whole = open_tensors(save("sd1", tmp_path / "whole.safetensors")).under("first_stage_model.")
    state = {prefix + k.removeprefix("first_stage_model."): s.read() + 1 for k, s in whole.items()}
    alone = tmp_path / f"m.vae.{ending}"
    if ending == "pt":
        torch.save({"state_dict": state | {"loss.logvar": torch.zeros(1)}, "epoch": 3}, alone)
    else:
        write_safetensors(alone, {k: to_be_written(t) for k, t in state.items()})
    family = shrink(FAMILIES["sd1"])
    path = save("sd1", tmp_path / "m.safetensors")
    own = load_parts(path, family=family, vocabulary=words)
    assert equal(own, tiny_model("sd1"))
    assert f"m.vae.{ending} lies beside the file but is not used" in own.report.notes[0]
    named = load_parts(path, family=family, vocabulary=words, vae=alone)
    assert torch.equal(named.vae.quant_conv.bias, tiny_model("sd1").vae.quant_conv.bias + 1)
    save("sd1", path, drop="first_stage_model.")
    beside = load_parts(path, family=family, vocabulary=words)
    assert torch.equal(beside.vae.quant_conv.bias, tiny_model("sd1").vae.quant_conv.bias + 1)
    assert beside.report.notes[0] == f"the file has no VAE; m.vae.{ending}, which lies beside it, is used"


def test_what_training_left_behind_is_ignored_and_reported(tmp_path, words):
    left = {
        "model_ema.decay": torch.zeros(()),
        "model_ema.diffusion_modelinput_blocks00weight": torch.zeros(2),
        "betas": torch.zeros(3),
        "alphas_cumprod_prev": torch.zeros(3),
        "sqrt_one_minus_alphas_cumprod": torch.zeros(3),
        "cond_stage_model.transformer.text_model.embeddings.position_ids": torch.arange(77)[None],
        "first_stage_model.loss.logvar": torch.zeros(1),
    }
    parts = load_parts(
        save("sd1", tmp_path / "m.safetensors", add=left), family=shrink(FAMILIES["sd1"]), vocabulary=words
    )
    assert equal(parts, tiny_model("sd1"))
    assert set(parts.report.ignored) == set(left)
    assert not any("belong to no network" in note for note in parts.report.notes)
    path = save("sd1", tmp_path / "m.safetensors", add={"embedding_manager.x": torch.zeros(1)})
    parts = load_parts(path, family=shrink(FAMILIES["sd1"]), vocabulary=words)
    assert parts.report.notes[0] == "1 tensors belong to no network of this family: embedding_manager.x"
    path = save("sd1", tmp_path / "m.safetensors", add={"model.diffusion_model.adapter.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"unexpected \(1\): model\.diffusion_model\.adapter\.weight"):
        load_parts(path, family=shrink(FAMILIES["sd1"]), vocabulary=words)


def test_sd2_files_hold_a_layer_and_a_projection_that_are_not_used(tmp_path, words):
    prefix = "cond_stage_model.model."
    unused = {
        f"{prefix}transformer.resblocks.3.ln_1.weight": torch.zeros(32),  # the tiny encoder has layers 0 to 2
        f"{prefix}text_projection": torch.zeros(32, 32),
        f"{prefix}logit_scale": torch.zeros(()),
    }
    path = save("sd2", tmp_path / "m.safetensors", add=unused)
    parts = load_parts(path, family=shrink(FAMILIES["sd2"]), vocabulary=words, prediction_type="eps")
    assert equal(parts, tiny_model("sd2"))
    assert set(parts.report.ignored) == set(unused)
    path = save("sd2", path, add={f"{prefix}transformer.resblocks.4.ln_1.weight": torch.zeros(32)})
    with pytest.raises(CheckpointError, match="unexpected"):
        load_parts(path, family=shrink(FAMILIES["sd2"]), vocabulary=words, prediction_type="eps")


def test_text_encoders_without_the_prefix_text_model(tmp_path, words):
    path = save("sd1", tmp_path / "m.safetensors")
    state = {
        k.replace("transformer.text_model.", "transformer."): s.read().clone() for k, s in open_tensors(path).items()
    }
    write_safetensors(path, {k: to_be_written(t) for k, t in state.items()}, overwrite=True)
    assert equal(load_parts(path, family=shrink(FAMILIES["sd1"]), vocabulary=words), tiny_model("sd1"))


def test_a_pickled_checkpoint_of_a_trainer(tmp_path, words):
    state = {k: s.read().clone() for k, s in open_tensors(save("sd1", tmp_path / "m.safetensors")).items()}
    torch.save({"state_dict": state, "global_step": 875000, "epoch": 1, "callbacks": {}}, tmp_path / "m.ckpt")
    parts = load_parts(tmp_path / "m.ckpt", family=shrink(FAMILIES["sd1"]), vocabulary=words)
    assert equal(parts, tiny_model("sd1"))


def test_metadata_of_ours_that_does_not_fit_the_tensors_is_not_believed(tmp_path):
    file = header("sd1-inpaint")
    save_single_file(tiny_model("sd1"), tmp_path / "m.safetensors")
    lie = open_tensors(tmp_path / "m.safetensors").metadata
    assert recognise(TensorFile(file.paths, file.stored, lie)).name == "sd1-inpaint"
    with pytest.raises(ConfigError, match=r"the metadata sukashi\.configs cannot be used"):
        recognise(TensorFile(file.paths, file.stored, {CONFIGS: "{}"}))


def test_a_half_precision_file_says_so(tmp_path, words):
    save_single_file(tiny_model("sd1"), tmp_path / "m.safetensors", dtype=torch.float16)
    parts = load_parts(tmp_path / "m.safetensors")
    assert {t.dtype for t in tensors(parts).values()} == {torch.float16}
    text = str(parts.report)
    assert text.startswith(
        f"{tmp_path / 'm.safetensors'}: sd1, predicts epsilon (modelspec.prediction_type = epsilon in"
    )
    assert f"unet: {len(parts.unet.state_dict())} of {len(parts.unet.state_dict())} tensors, float16, from" in text
    wide = load_parts(tmp_path / "m.safetensors", dtype=torch.float32)
    assert "float16 -> float32" in str(wide.report)


def test_the_embedded_vocabulary_is_the_models_own(tmp_path):
    save_single_file(tiny_model("sdxl"), tmp_path / "m.safetensors")
    files = json.loads(open_tensors(tmp_path / "m.safetensors").metadata["sukashi.tokenizers"])
    assert [sorted(f)[:2] for f in files] == [["merges.txt", "special_tokens_map.json"]] * 2
    parts = load_parts(tmp_path / "m.safetensors")
    for ours, theirs in zip(parts.tokenizers, tiny_model("sdxl").tokenizers, strict=True):
        assert torch.equal(ours("a cat sat!"), theirs("a cat sat!"))
