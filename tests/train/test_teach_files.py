"""What training writes: read by diffusers it gives the same picture, and the names are those of the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from teaching import some, strong, theirs
from torch import nn

from sukashi.adapters.lora.apply import Use, nets_of, open_lora, with_loras
from sukashi.adapters.words import with_words
from sukashi.pipeline import Pipeline
from sukashi.train.methods import custom, dreambooth, lora, ti
from sukashi.train.methods.config import Config
from sukashi.train.outputs.words import file_name
from sukashi.weights.embeddings import read_embedding
from sukashi.weights.load import load_parts
from sukashi.weights.parts import Parts

ALL = ("attention", "feed-forward", "projections", "conv")
LEARN = {"device": "cpu", "size": 32, "steps": 1, "batch": 2, "save_every": 0}
FAST = LEARN | {"optimizer": "sgd", "weight_decay": 0.0, "max_norm": 0.0, "rate": 30.0}


def drawn(parts: Parts, prompt: str) -> torch.Tensor:
    """Latents (1, 4, 8, 8) of three steps of DDIM."""
    size = 64
    pipe = Pipeline(parts, {"width": size, "height": size, "steps": 3, "guidance": 3.0}, "taught")
    return pipe(prompt, seed=1, sampler="ddim").latents


def drawn_by_them(pipe: Any, prompt: str) -> torch.Tensor:
    """The same from diffusers, from the same noise."""
    from diffusers import DDIMScheduler

    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    how = {"num_inference_steps": 3, "guidance_scale": 3.0, "height": 64, "width": 64, "output_type": "latent"}
    return pipe(prompt, latents=noise, **how).images


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return file.metadata()


@pytest.mark.parametrize("dora", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("family", ["sd1", pytest.param("sdxl", marks=pytest.mark.slow)])
def test_peft_names_in_diffusers(family: str, dora: bool, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    parts = strong(family)
    config = Config(**FAST, rank=2, alpha=3, layers=ALL, text=True, dora=dora, keys="peft")
    result = lora.train(parts, some(), config, tmp_path)
    pipe = theirs(parts)
    plain = drawn_by_them(pipe, "a cat")
    pipe.load_lora_weights(str(result.files[0]))
    them = drawn_by_them(pipe, "a cat")
    ours = drawn(with_loras(parts, [Use(open_lora(result.files[0], parts))]), "a cat")
    taught = drawn(result.parts, "a cat")
    assert (ours - them).abs().max() < 1e-4 and (taught - them).abs().max() < 1e-4
    assert (plain - them).abs().max() > 1e-2


def test_kohya_names(tmp_path: Path) -> None:
    """Every name by the published rule, made here by hand; all found in the model; the metadata that tools look for."""
    parts = strong("sd1")
    config = Config(**LEARN, rank=2, alpha=3, layers=ALL, text=True)
    path = lora.train(parts, some("cat, at"), config, tmp_path).files[0]
    tensors, told = load_file(path), metadata_of(path)
    wanted = {}
    for part, net in nets_of(parts).items():
        prefix = {"unet": "lora_unet_", "text_encoder": "lora_te_"}[part]
        for place, layer in net.named_modules():
            blocks = ("transformer_blocks", "proj_in", "proj_out", "resnets", "samplers", "self_attn", "mlp")
            if isinstance(layer, nn.Linear | nn.Conv2d) and any(name in place for name in blocks):
                wanted[prefix + place.replace(".", "_")] = layer.weight.shape
    for name, (out, *inside) in wanted.items():
        kernel = inside[1:]
        assert tensors[f"{name}.lora_down.weight"].shape == (2, *inside)
        assert tensors[f"{name}.lora_up.weight"].shape == (out, 2, *[1] * len(kernel))
        assert tensors[f"{name}.alpha"] == 3
    assert len(tensors) == 3 * len(wanted)
    assert "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight" in tensors
    assert "lora_te_text_model_encoder_layers_0_self_attn_q_proj.alpha" in tensors
    report = open_lora(path, parts).report
    assert sum(report.matched.values()) == report.total == len(wanted) and not report.unmatched
    assert told["ss_network_module"] == "networks.lora" and told["ss_v2"] == "False"
    assert (told["ss_network_dim"], told["ss_network_alpha"], told["ss_base_model_version"]) == ("2", "3", "sd_v1")
    assert json.loads(told["ss_tag_frequency"]) == {tmp_path.name: {"cat": 3, "at": 3}}
    assert told["modelspec.sai_model_spec"] == "1.0.1" and told["modelspec.prediction_type"] == "epsilon"
    assert told["modelspec.architecture"] == "stable-diffusion-v1/lora" and told["modelspec.resolution"] == "32x32"
    from hashlib import sha256

    data = path.read_bytes()
    own = sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
    assert told["sshs_model_hash"] == own and told["modelspec.hash_sha256"] == f"0x{own}"


def test_kohya_names_of_sdxl(tmp_path: Path) -> None:
    parts = strong("sdxl")
    tensors = load_file(lora.train(parts, some(), Config(**LEARN, rank=1, text=True), tmp_path).files[0])
    assert "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.lora_down.weight" in tensors
    assert "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.alpha" in tensors
    assert "lora_te2_text_model_encoder_layers_0_self_attn_q_proj.alpha" in tensors
    assert not any(name.startswith(("lora_te_", "lora_unet_down")) for name in tensors)


@pytest.mark.parametrize("keys", ["kohya", "peft"])
def test_both_spellings_are_the_same_lora(keys: str, tmp_path: Path) -> None:
    parts = strong("sd1")
    config = Config(**FAST, rank=2, alpha=5, dora=True, keys=keys)
    result = lora.train(parts, some(), config, tmp_path)
    again = with_loras(parts, [Use(open_lora(result.files[0], parts))])
    assert torch.allclose(drawn(again, "a cat"), drawn(result.parts, "a cat"), atol=1e-5)


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_words_in_diffusers(family: str, tmp_path: Path) -> None:
    parts = strong(family)
    config = Config(**LEARN, rate=0.3, word="<toy>", vectors=2, start="at")
    result = ti.train(parts, some(), config, tmp_path)
    names = ["toy.safetensors", "toy.pt"] if family == "sd1" else ["toy.safetensors"]
    assert [path.name for path in result.files] == names
    pipe = theirs(parts)
    if family == "sd1":
        pipe.load_textual_inversion(str(result.files[0]))
        a1111 = torch.load(result.files[1], weights_only=True)
        assert torch.equal(a1111["string_to_param"]["*"], load_file(result.files[0])["<toy>"])
        assert (a1111["name"], a1111["step"], a1111["string_to_token"]) == ("<toy>", 1, {"*": 265})
    else:
        tensors = load_file(result.files[0])
        for key, place in (("clip_l", ""), ("clip_g", "_2")):
            nets = {"text_encoder": getattr(pipe, "text_encoder" + place)}
            nets["tokenizer"] = getattr(pipe, "tokenizer" + place)
            pipe.load_textual_inversion(tensors[key], token="<toy>", **nets)
    them = drawn_by_them(pipe, "a <toy> cat")
    for path in result.files:
        known = with_words(parts, [read_embedding(path, None if family == "sd1" else "<toy>")])
        assert (drawn(known, "a <toy> cat") - them).abs().max() < 1e-4
    assert (drawn(result.parts, "a <toy> cat") - them).abs().max() < 1e-4
    assert metadata_of(result.files[0])["modelspec.architecture"].endswith("/textual-inversion")


def test_custom_diffusion_in_diffusers(tmp_path: Path) -> None:
    parts, examples = strong("sd1"), some("a <new> cat")
    how = {**LEARN, "rate": 0.1, "start": "at", "steps": 2}
    result = custom.train(parts, examples, Config(**how, keys="peft"), tmp_path / "a")
    pipe = theirs(parts)
    pipe.unet.load_attn_procs(str(tmp_path / "a"), weight_name="custom.safetensors", _pipeline=pipe)
    pipe.load_textual_inversion(str(tmp_path / "a" / "new.safetensors"))
    them = drawn_by_them(pipe, "a <new> cat")
    assert (drawn(result.parts, "a <new> cat") - them).abs().max() < 1e-4
    differences = custom.train(parts, examples, Config(**how), tmp_path / "b").files[0]
    known = with_loras(parts, [Use(open_lora(differences, parts))])
    known = with_words(known, [read_embedding(tmp_path / "b" / "new.safetensors")])
    assert (drawn(known, "a <new> cat") - them).abs().max() < 1e-4


def test_a_model_folder_in_half_precision(tmp_path: Path) -> None:
    config = Config(**LEARN, rate=0.01, saved_as="float16", zero_snr=True)
    result = dreambooth.train(strong("sd2-v"), some(), config, tmp_path)
    again = load_parts(result.files[0])
    assert again.family.predicts == "v_prediction" and again.scheduler["rescale_betas_zero_snr"] is True
    for name, weight in result.parts.unet.state_dict().items():
        assert torch.equal(again.unet.state_dict()[name], weight.half())


def test_names_of_files() -> None:
    assert [file_name(word) for word in ("<cat-toy>", "my word", "<>", "../x")] == ["cat-toy", "my_word", "word", "x"]
