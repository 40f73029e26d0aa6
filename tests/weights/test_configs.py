"""Configs of diffusers and transformers: published ones are the rows of the table, strange ones are refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sukashi.families import FAMILIES, Family, family_like, family_named
from sukashi.nets.clip import CLIPText, CLIPTextConfig
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig
from sukashi.weights.assemble import empty
from sukashi.weights.configs import text_config, text_json, unet_config, unet_json, vae_config, vae_json
from sukashi.weights.errors import ConfigError
from sukashi.weights.folder import read_family

PUBLISHED = {
    "sd1.4": "sd1",
    "sd1.5": "sd1",
    "sd1.5-inpainting": "sd1-inpaint",
    "sd2.1-base": "sd2",
    "sd2.1-768": "sd2-v",
    "sd2-inpainting": "sd2-inpaint",
    "sdxl-base-1.0": "sdxl",
}
DERIVED = {
    "sd1": "sd1",
    "sd2-base": "sd2",
    "sd2-768v": "sd2-v",
    "sd2-inpainting": "sd2-inpaint",
    "sd2-depth": "sd2-depth",
    "sd-x4-upscaler": "x4-upscaler",
    "sdxl-base": "sdxl",
    "sdxl-refiner": "sdxl-refiner",
}


def folder(shared_data: Path) -> Path:
    return shared_data / "5_model_configs_and_keys"


@pytest.mark.parametrize(("published", "name"), PUBLISHED.items())
def test_published_folders_are_their_rows(shared_data, published, name):
    family, evidence = read_family(folder(shared_data) / "diffusers" / published)
    row = FAMILIES[name]
    assert (family.unet, family.vae) == (row.unet, row.vae)
    assert family.text == tuple(replace(config, eos_token_id=2) for config in row.text)  # which means the highest id
    assert (family.name, family.predicts, family.size) == (name, row.predicts, row.size)
    assert family.zero_empty_prompt == row.zero_empty_prompt
    for key, value in row.scheduler.items():
        assert family.scheduler.get(key, value) == value, key
    assert evidence.startswith(("scheduler_config.json says so", "the default"))


@pytest.mark.parametrize(("derived", "name"), DERIVED.items())
def test_configs_derived_from_the_official_yaml_are_their_rows(shared_data, derived, name):
    configs = json.loads((folder(shared_data) / "generated" / "derived_diffusers_configs.json").read_text())[derived]
    row = FAMILIES[name]
    assert unet_config(configs["unet"]) == row.unet
    assert vae_config(configs["vae"], row.vae) == row.vae


def test_every_other_published_config_is_read_or_refused_by_class(shared_data):
    probe = folder(shared_data) / "diffusers" / "invokeai_probe"

    def read(path: Path):
        return json.loads(path.read_text())

    dreamshaper = probe / "sd-1" / "main" / "dreamshaper-8-inpainting"
    assert unet_config(read(dreamshaper / "unet" / "config.json")) == FAMILIES["sd1-inpaint"].unet
    assert vae_config(read(probe / "vae/sd-vae-ft-mse/config.json")) == VAEConfig()
    assert vae_config(read(probe / "vae/sdxl-vae/config.json"), FAMILIES["sdxl"].vae) == FAMILIES["sdxl"].vae
    with pytest.raises(ConfigError, match="'AutoencoderTiny' is not supported here; accepted: Autoencoder"):
        vae_config(read(probe / "vae/taesd/config.json"))
    for path in (folder(shared_data) / "diffusers" / "sdxl-base-1.0").glob("vae*/config.json"):
        assert vae_config(read(path), FAMILIES["sdxl"].vae) == FAMILIES["sdxl"].vae


def test_tiny_pipelines_of_other_people_are_read(shared_data):
    families = {}
    for path in sorted((shared_data / "6_references" / "tiny_pipelines" / "models").iterdir()):
        family, _ = read_family(path)
        families[path.name] = family.name
        config = json.loads((path / "unet" / "config.json").read_text())
        assert family.unet.in_channels == config["in_channels"]
        assert family.unet.guidance_dim == (config["time_cond_proj_dim"] or 0)
    assert families == {
        "tiny-controlnet": "sd1",
        "tiny-pix2pix8": "sd1-pix2pix",
        "tiny-sd-img2img": "sd1",
        "tiny-sd1": "sd1",
        "tiny-sd1-lcm": "sd1",
        "tiny-sd2": "sd2",
        "tiny-sd2-depth": "sd2-depth",
        "tiny-sd2-inpaint9": "sd2-inpaint",
        "tiny-sdxl": "sdxl",
        "tiny-sdxl-img2img": "sdxl",
        "tiny-sdxl-lcm": "sdxl",
        "tiny-sdxl-refiner": "sdxl-refiner",
        "tiny-upscaler": "x4-upscaler",
    }


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_writing_and_reading_a_config_is_identity(family: Family):
    assert unet_config(unet_json(family.unet, 64)) == family.unet
    assert vae_config(vae_json(family.vae, 512), family.vae) == family.vae
    assert tuple(text_config(text_json(config)) for config in family.text) == family.text


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_keys_and_shapes_equal_diffusers_and_transformers(family: Family):
    diffusers, transformers = pytest.importorskip("diffusers"), pytest.importorskip("transformers")

    def shapes(net: torch.nn.Module):
        return {k: tuple(t.shape) for k, t in net.state_dict().items() if "position_ids" not in k}

    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel.from_config(unet_json(family.unet, 64))
        vae = diffusers.AutoencoderKL.from_config(vae_json(family.vae, 512))
    assert shapes(empty(lambda: UNet(family.unet))) == shapes(unet)
    assert shapes(empty(lambda: VAE(family.vae))) == shapes(vae)
    for config in family.text:
        json_config = transformers.CLIPTextConfig(**text_json(config))
        projected = config.projection_dim is not None
        cls = transformers.CLIPTextModelWithProjection if projected else transformers.CLIPTextModel
        with torch.device("meta"):
            theirs = shapes(cls(json_config))
        ours = shapes(empty(lambda config=config: CLIPText(config)))
        assert {k.removeprefix("text_model."): s for k, s in ours.items()} == {
            k.removeprefix("text_model."): s for k, s in theirs.items()
        }


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("act_fn", "gelu", "act_fn = 'gelu' is not supported; accepted: 'silu' or 'swish'"),
        ("class_embed_type", "timestep", "class_embed_type = 'timestep' is not supported; accepted: None"),
        ("encoder_hid_dim", 768, "encoder_hid_dim = 768 is not supported"),
        ("mid_block_type", "UNetMidBlock2D", "mid_block_type"),
        ("num_attention_heads", 8, "num_attention_heads = 8"),
        ("norm_eps", 1e-6, "norm_eps = 1e-06"),
        (
            "addition_embed_type",
            "image",
            "addition_embed_type = 'image' .* None or 'text_time'",
        ),
        ("attention_head_dim", [5, 10], "attention_head_dim .* list of 4 of them, one per resolution"),
        ("layers_per_block", [2, 2, 2, 3], "layers_per_block .* a positive whole number"),
        ("down_block_types", ["AttnDownBlock2D"] * 4, "down_block_types"),
        ("up_block_types", ["UpBlock2D"] * 4, "up_block_types .* mirror image"),
        ("in_channels", "4", "in_channels = '4' is not supported; accepted: a positive whole number"),
        ("quantum", True, r"the key quantum \(= True\) is not known"),
    ],
)
def test_a_u_net_config_that_we_do_not_implement_is_refused_by_name(key, value, words):
    with pytest.raises(ConfigError, match=words):
        unet_config(unet_json(UNetConfig(), 64) | {key: value})


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("latents_mean", [0.0] * 4, "latents_mean"),
        ("shift_factor", 0.1, "shift_factor = 0.1 is not supported; accepted: None"),
        ("down_block_types", ["AttnDownEncoderBlock2D"] * 4, "down_block_types .* 4 times DownEncoderBlock2D"),
        ("out_channels", 4, "out_channels = 4 .* the same as in_channels, 3"),
        ("tiles", 2, "the key tiles"),
    ],
)
def test_a_vae_config_that_we_do_not_implement_is_refused_by_name(key, value, words):
    with pytest.raises(ConfigError, match=words):
        vae_config(vae_json(VAEConfig(), 512) | {key: value})


def test_a_text_config_that_we_do_not_implement_is_refused_by_name():
    config = text_json(CLIPTextConfig())
    for key, value, words in (
        ("hidden_act", "gelu_new", "hidden_act = 'gelu_new' is not supported; accepted: quick_gelu or gelu"),
        ("architectures", ["T5EncoderModel"], "architectures"),
        ("model_type", "t5", "model_type = 't5'"),
        ("rope_theta", 1e4, "the key rope_theta"),
    ):
        with pytest.raises(ConfigError, match=words):
            text_config(config | {key: value})


def test_keys_that_old_files_leave_out_or_say_wrongly():
    old = vae_json(VAEConfig(), 512)
    del old["scaling_factor"], old["force_upcast"]
    assert vae_config(old) == VAEConfig()
    assert vae_config(old, FAMILIES["x4-upscaler"].vae).scale == 0.08333
    assert vae_config(old, FAMILIES["sdxl"].vae).force_upcast
    assert not vae_config(old | {"force_upcast": False}, FAMILIES["sdxl"].vae).force_upcast
    assert not vae_config(old | {"force_upcast": True}).force_upcast  # newer files say so of SD 1, which needs it not
    unet = unet_json(UNetConfig(), 64) | {"attention_head_dim": 8, "upcast_attention": True}
    assert unet_config(unet) == UNetConfig()


def test_families_by_name_and_by_trait():
    assert family_named("sdxl").size_numbers == 6
    assert family_named("sdxl-refiner").size_numbers == 5
    assert family_named("sd1").size_numbers == 0
    with pytest.raises(ConfigError, match="no family is called 'sd3'; the known ones are sd1, sd1-inpaint"):
        family_named("sd3")
    assert family_like(FAMILIES["sd2"].unet, encoders=1, predicts="v_prediction").name == "sd2-v"
    with pytest.raises(ConfigError, match="6 input channels"):
        family_like(UNetConfig(in_channels=6), encoders=1)
