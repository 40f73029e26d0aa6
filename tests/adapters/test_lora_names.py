"""The spellings of the field find their layers: written out by hand, and as diffusers and PEFT write them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_lora_real_files import nets
from torch import Tensor

from lora_samples import kohya, saved
from sukashi.adapters.lora.apply import nets_of, open_lora
from sukashi.adapters.lora.cloneofsimo import numbered
from sukashi.adapters.lora.names import layers, table
from sukashi.adapters.lora.read import read_lora
from sukashi.weights.parts import Parts
from tiny_models import tiny_model

BY_HAND = {
    "sd1": {
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q": (
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
        ),
        "lora_unet_up_blocks_3_attentions_2_proj_out": "up_blocks.3.attentions.2.proj_out",
        "lora_unet_mid_block_resnets_1_time_emb_proj": "mid_block.resnets.1.time_emb_proj",
        "lora_unet_down_blocks_0_downsamplers_0_conv": "down_blocks.0.downsamplers.0.conv",
        "lora_te_text_model_encoder_layers_11_mlp_fc1": "text_model.encoder.layers.11.mlp.fc1",
        "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_out": (
            "mid_block.attentions.0.transformer_blocks.0.attn2.to_out.0"
        ),
        "down_blocks.1.attentions.1.transformer_blocks.0.attn2.processor.to_v": (
            "down_blocks.1.attentions.1.transformer_blocks.0.attn2.to_v"
        ),
        "text_encoder.text_model.encoder.layers.3.self_attn.to_q": "text_model.encoder.layers.3.self_attn.q_proj",
        "text_encoder.text_model.encoder.layers.3.self_attn.out_proj": "text_model.encoder.layers.3.self_attn.out_proj",
        "text_encoder.encoder.layers.0.mlp.fc2": "text_model.encoder.layers.0.mlp.fc2",
        "base_model.model.text_model.encoder.layers.0.mlp.fc2": "text_model.encoder.layers.0.mlp.fc2",
        "base_model.model.up_blocks.1.attentions.0.proj_in": "up_blocks.1.attentions.0.proj_in",
        "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q": (
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
        ),
        "text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1": "text_model.encoder.layers.0.mlp.fc1",
    },
    "sd2": {
        "lora_te_text_model_encoder_layers_22_self_attn_k_proj": "text_model.encoder.layers.22.self_attn.k_proj",
        "lora_unet_mid_block_attentions_0_proj_in": "mid_block.attentions.0.proj_in",
    },
    "sdxl": {
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q": (
            "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
        ),
        "lora_unet_input_blocks_8_1_proj_in": "down_blocks.2.attentions.1.proj_in",
        "lora_unet_middle_block_1_transformer_blocks_9_ff_net_0_proj": (
            "mid_block.attentions.0.transformer_blocks.9.ff.net.0.proj"
        ),
        "lora_unet_output_blocks_5_1_proj_out": "up_blocks.1.attentions.2.proj_out",
        "lora_unet_output_blocks_5_2_conv": "up_blocks.1.upsamplers.0.conv",
        "lora_unet_input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1",
        "lora_unet_input_blocks_3_0_op": "down_blocks.0.downsamplers.0.conv",
        "lora_unet_time_embed_2": "time_embedding.linear_2",
        "lora_unet_label_emb_0_0": "add_embedding.linear_1",
        "lora_unet_out_2": "conv_out",
        "lora_unet_down_blocks_1_attentions_0_proj_in": "down_blocks.1.attentions.0.proj_in",
        "unet.down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_out.0": (
            "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_out.0"
        ),
        "lora_te1_text_model_encoder_layers_11_mlp_fc1": "text_model.encoder.layers.11.mlp.fc1",
        "lora_te2_text_model_encoder_layers_31_mlp_fc1": "text_model.encoder.layers.31.mlp.fc1",
        "lora_te2_text_projection": "text_projection",
        "text_encoder_2.text_model.encoder.layers.31.self_attn.q_proj": "text_model.encoder.layers.31.self_attn.q_proj",
    },
}


@pytest.mark.parametrize("family", BY_HAND)
def test_names_written_by_hand(family: str) -> None:
    known = table(nets(family))
    for name, path in BY_HAND[family].items():
        assert known[name].path == path, name
        second = "te2_" in name or "text_encoder_2" in name
        text = "text_encoder_2" if second else "text_encoder"
        assert known[name].part == (text if path.startswith("text") else "unet"), name


@pytest.mark.parametrize("family", BY_HAND)
def test_every_layer_has_its_own_name_in_each_spelling(family: str) -> None:
    known, there = table(nets(family)), nets(family)
    count = sum(1 for _ in layers(there["unet"]))
    for prefix in ("lora_unet_down_blocks", "lora_unet_input_blocks", "unet.", "diffusion_model."):
        found = [target for name, target in known.items() if name.startswith(prefix)]
        assert {t.part for t in found} == {"unet"}
        if prefix.endswith("."):
            assert len({t.path for t in found}) == count


def test_diffusers_means_the_same_by_ldm_s_names_of_sdxl() -> None:
    diffusers = pytest.importorskip("diffusers")
    ours = {
        name: target.path
        for name, target in table({"unet": nets("sdxl")["unet"]}).items()
        if name.startswith(("lora_unet_input", "lora_unet_mid", "lora_unet_output")) and "_attn" in name
    }
    ours = {name: path for name, path in ours.items() if not name.startswith("lora_unet_mid_block")}
    assert len(ours) == 560
    tensors: dict[str, Tensor] = {}
    for i, name in enumerate(ours):
        tensors |= {f"{name}.lora_{side}.weight": torch.full((1, 1), float(i)) for side in ("down", "up")}
        tensors[f"{name}.alpha"] = torch.tensor(1.0)

    class Config:
        layers_per_block = 2

    theirs = diffusers.StableDiffusionXLPipeline.lora_state_dict(tensors, unet_config=Config())
    theirs = theirs[0] if isinstance(theirs, tuple) else theirs
    paths = list(ours.values())
    read = table({"unet": nets("sdxl")["unet"]})
    for name, tensor in theirs.items():
        stem = name.split("_lora.")[0].split(".lora")[0]
        assert read[stem].path == paths[int(tensor)], name


def test_numbers_of_cloneofsimo() -> None:
    unet = nets("sd1")["unet"]
    order = ["attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0", "attn2.to_q", "attn2.to_k", "attn2.to_v"]
    blocks = [
        f"{level}.attentions.{i}" for level in ("down_blocks.0", "down_blocks.1", "down_blocks.2") for i in (0, 1)
    ]
    blocks += [f"up_blocks.{level}.attentions.{i}" for level in (1, 2, 3) for i in range(3)]
    blocks += ["mid_block.attentions.0"]
    for middle in ([], ["ff.net.0.proj"]):
        inside = [*order[:4], *middle, *order[4:], "attn2.to_out.0"]
        paths = [f"{block}.transformer_blocks.0.{layer}" for block in blocks for layer in inside]
        shapes = {f"unet:{i}": tuple(unet.get_submodule(path).weight.shape) for i, path in enumerate(paths)}
        assert [t.path for t in numbered({"unet": unet}, shapes).values()] == paths
    assert numbered({"unet": unet}, {"unet:0": (320, 320)}) == {}
    clip = nets("sd1")["text_encoder"]
    found = numbered({"text_encoder": clip}, {f"text_encoder:{i}": (768, 768) for i in range(48)})
    assert [found[f"text_encoder:{i}"].path.rpartition(".")[2] for i in range(4)] == [
        "k_proj",
        "v_proj",
        "q_proj",
        "out_proj",
    ]
    assert found["text_encoder:47"].path == "text_model.encoder.layers.11.self_attn.out_proj"


def respelt(tensors: dict[str, Tensor], parts: Parts, spelling: str) -> dict[str, Tensor]:
    """A file with Kohya's names under those of other trainers (rank as alpha: most of them have none)."""
    paths = {f"{p}_{path}".replace(".", "_"): (p, path) for p, net in nets_of(parts).items() for path, _ in layers(net)}
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        stem, _, factor = name.partition(".")
        for kohya_prefix, part in (("lora_unet_", "unet_"), ("lora_te_", "text_encoder_")):
            stem = stem.replace(kohya_prefix, part)
        part, path = paths[stem]
        if factor == "alpha":
            continue
        side = factor.split("_")[1].split(".")[0]
        result[spell(part, path, side, spelling)] = tensor
    return result


def spell(part: str, path: str, side: str, spelling: str) -> str:
    """One tensor's name."""
    attention = ".to_" in path or "_proj" in path
    if spelling == "peft":
        return f"{part}.{path}.lora_{'A' if side == 'down' else 'B'}.weight"
    if spelling == "diffusers 2024":
        return f"{part}.{path}.lora.{side}.weight"
    if spelling == "diffusers 2023":
        return f"{part}.{path}.lora_linear_layer.{side}.weight"
    if not attention:
        return f"{part}.{path}.lora.{side}.weight"
    if part == "unet":
        block, _, layer = path.rpartition(".to_")
        return f"unet.{block}.processor.to_{layer.removesuffix('.0')}_lora.{side}.weight"
    return f"{part}.{path.replace('q_proj', 'to_q')}_lora.{side}.weight"


@pytest.mark.parametrize("spelling", ["peft", "diffusers 2024", "diffusers 2023", "diffusers processors"])
def test_one_lora_in_every_spelling(spelling: str, tmp_path: Path) -> None:
    parts = tiny_model("sd1")
    original = kohya(parts, rank=2, alpha=2.0)
    first = open_lora(saved(original, tmp_path / "a.safetensors"), parts)
    second = open_lora(saved(respelt(original, parts, spelling), tmp_path / "b.safetensors"), parts)
    assert first.report.matched == second.report.matched and first.report.total == len(original) // 3
    for part, changes in first.changes.items():
        for path, one in changes.items():
            assert torch.equal(one.factors["up"], second.changes[part][path].factors["up"])
            assert one.scale == second.changes[part][path].scale == 1.0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_files(dtype: torch.dtype, tmp_path: Path) -> None:
    parts = tiny_model("sdxl")
    tensors = {name: t.to(dtype) for name, t in kohya(parts).items()}
    report = open_lora(saved(tensors, tmp_path / "a.safetensors"), parts).report
    assert {"unet", "text_encoder", "text_encoder_2"} == set(report.matched) and report.alphas == (1.0,)


def test_peft_s_alpha_beside_the_tensors(tmp_path: Path) -> None:
    tensors = {f"base_model.model.conv_in.lora_{x}.weight": torch.zeros(s) for x, s in (("A", (2, 36)), ("B", (8, 2)))}
    (tmp_path / "adapter_config.json").write_text('{"r": 2, "lora_alpha": 8, "alpha_pattern": {"conv_out": 3}}')
    assert (
        read_lora(saved(tensors, tmp_path / "adapter_model.safetensors")).layers["base_model.model.conv_in"].scale == 4
    )
    assert read_lora(saved(tensors, tmp_path / "other.safetensors")).layers["base_model.model.conv_in"].scale == 1
    told = '{"unet.lora_alpha": 8, "unet.alpha_pattern": {"conv_in": 3}, "unet.use_rslora": true}'
    named = {name.replace("base_model.model", "unet"): t for name, t in tensors.items()}
    one = read_lora(saved(named, tmp_path / "d.safetensors", lora_adapter_metadata=told)).layers["unet.conv_in"]
    assert one.alpha == 3 and one.scale == pytest.approx(3 / 2**0.5)
