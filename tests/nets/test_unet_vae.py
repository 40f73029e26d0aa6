"""The U-Net and the autoencoder against diffusers: same names, same shapes, same numbers."""

from __future__ import annotations

import pytest
import torch

from sukashi.nets.unet import UNet, UNetConfig
from sukashi.nets.vae import VAE, VAEConfig

diffusers = pytest.importorskip("diffusers", reason="diffusers is the oracle here")
CROSS_DOWN, DOWN, CROSS_UP, UP = "CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"
SD2 = (
    dict(heads=(5, 10, 20, 20), context_dim=1024, linear_projection=True),
    dict(attention_head_dim=[5, 10, 20, 20], cross_attention_dim=1024, use_linear_projection=True),
)
FAMILIES = {
    "sd1": (dict(), dict(attention_head_dim=8, cross_attention_dim=768)),
    "sd1-inpaint": (dict(in_channels=9), dict(in_channels=9, attention_head_dim=8, cross_attention_dim=768)),
    "sd2": SD2,
    "sd2-inpaint": tuple(dict(part, in_channels=9) for part in SD2),
    "sd2-depth": tuple(dict(part, in_channels=5) for part in SD2),
    "x4": (
        dict(
            in_channels=7, channels=(256, 512, 512, 1024), depth=(0, 1, 1, 1), heads=(8, 8, 8, 8), context_dim=1024,
            cross_only=(True, True, True, False), linear_projection=True, noise_levels=1000,
        ),
        dict(
            in_channels=7, block_out_channels=(256, 512, 512, 1024), cross_attention_dim=1024, attention_head_dim=8,
            down_block_types=(DOWN, CROSS_DOWN, CROSS_DOWN, CROSS_DOWN),
            up_block_types=(CROSS_UP, CROSS_UP, CROSS_UP, UP),
            only_cross_attention=[True, True, True, False], use_linear_projection=True, num_class_embeds=1000,
        ),
    ),
    "sdxl": (
        dict(
            channels=(320, 640, 1280), depth=(0, 2, 10), heads=(5, 10, 20), mid_depth=10, context_dim=2048,
            cross_only=(False,) * 3, linear_projection=True, pooled_dim=2816,
        ),
        dict(
            block_out_channels=(320, 640, 1280), down_block_types=(DOWN, CROSS_DOWN, CROSS_DOWN),
            up_block_types=(CROSS_UP, CROSS_UP, UP), attention_head_dim=[5, 10, 20], cross_attention_dim=2048,
            transformer_layers_per_block=[1, 2, 10], use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
        ),
    ),
    "sdxl-refiner": (
        dict(
            channels=(384, 768, 1536, 1536), depth=(0, 4, 4, 0), heads=(6, 12, 24, 24), mid_depth=4, context_dim=1280,
            linear_projection=True, pooled_dim=2560,
        ),
        dict(
            block_out_channels=(384, 768, 1536, 1536), down_block_types=(DOWN, CROSS_DOWN, CROSS_DOWN, DOWN),
            up_block_types=(UP, CROSS_UP, CROSS_UP, UP), attention_head_dim=[6, 12, 24, 24], cross_attention_dim=1280,
            transformer_layers_per_block=4, use_linear_projection=True, addition_embed_type="text_time",
            addition_time_embed_dim=256, projection_class_embeddings_input_dim=2560,
        ),
    ),
}  # fmt: skip
PARAMETERS = {"sd1": 859_520_964, "sd2": 865_910_724, "sd1-inpaint": 859_535_364, "sdxl": 2_567_463_684}


def shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in module.state_dict().items()}


@pytest.mark.parametrize("family", FAMILIES)
def test_unet_has_the_keys_and_shapes_of_diffusers(family: str) -> None:
    ours, theirs = FAMILIES[family]
    with torch.device("meta"):
        a, b = UNet(UNetConfig(**ours)), diffusers.UNet2DConditionModel(**theirs)
    assert shapes(a) == shapes(b)
    if family in PARAMETERS:
        assert sum(p.numel() for p in a.parameters()) == PARAMETERS[family]


@pytest.mark.parametrize("size", [(16, 16), (15, 13)])
@pytest.mark.parametrize("family", [*FAMILIES, "lcm"])
def test_unet_computes_what_diffusers_computes(family: str, size: tuple[int, int]) -> None:
    ours, theirs = FAMILIES["sd1" if family == "lcm" else family]
    levels = len(ours.get("channels", (0,) * 4))
    channels, heads = (16, 32, 32, 32)[:levels], (2, 4, 4, 4)[:levels]
    ours = dict(ours, channels=channels, heads=heads, context_dim=24, groups=4)
    theirs = dict(theirs, block_out_channels=channels, attention_head_dim=list(heads), cross_attention_dim=24)
    theirs |= dict(norm_num_groups=4)
    ids = 5 if family == "sdxl-refiner" else 6
    if "pooled_dim" in ours:
        ours |= dict(pooled_dim=20 + ids * 8, size_dim=8)
        theirs |= dict(projection_class_embeddings_input_dim=20 + ids * 8, addition_time_embed_dim=8)
    if family == "lcm":
        ours |= dict(guidance_dim=12)
        theirs |= dict(time_cond_proj_dim=12)
    torch.manual_seed(0)
    a, b = UNet(UNetConfig(**ours)).eval(), diffusers.UNet2DConditionModel(**theirs).eval()
    a.load_state_dict(b.state_dict(), strict=True)
    x, context = torch.randn(2, ours.get("in_channels", 4), *size), torch.randn(2, 7, 24)
    extra, extra_theirs = {}, {}
    if family == "x4":
        extra = dict(noise_level=torch.tensor([20, 3]))
        extra_theirs = dict(class_labels=torch.tensor([20, 3]))
    if family.startswith("sdxl"):
        pooled, sizes = torch.randn(2, 20), torch.randn(2, ids)
        extra = dict(pooled=pooled, sizes=sizes)
        extra_theirs = dict(added_cond_kwargs=dict(text_embeds=pooled, time_ids=sizes))
    if family == "lcm":
        extra = dict(guidance=torch.randn(2, 12))
        extra_theirs = dict(timestep_cond=extra["guidance"])
    with torch.no_grad():
        mine = a(x, torch.tensor([7.0, 7.0]), context, **extra)
        reference = b(x, torch.tensor(7.0), context, **extra_theirs).sample
    assert (mine - reference).abs().max() <= 1e-6


VAES = {
    "factor 8": dict(channels=(128, 256, 512, 512)),
    "factor 4": dict(channels=(128, 256, 512)),
    "no attention, no quant": dict(
        channels=(8, 16), groups=4, mid_attention=False, quant_conv=False, post_quant_conv=False
    ),
}


def vae_pair(ours: dict) -> tuple[torch.nn.Module, torch.nn.Module]:
    channels = ours["channels"]
    theirs = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
        block_out_channels=channels,
        latent_channels=4,
        layers_per_block=ours.get("resnets", 2),
        norm_num_groups=ours.get("groups", 32),
        mid_block_add_attention=ours.get("mid_attention", True),
        use_quant_conv=ours.get("quant_conv", True),
        use_post_quant_conv=ours.get("post_quant_conv", True),
    )
    return VAE(VAEConfig(**ours)), theirs


@pytest.mark.parametrize("name", VAES)
def test_vae_has_the_keys_and_shapes_of_diffusers(name: str) -> None:
    with torch.device("meta"):
        a, b = vae_pair(VAES[name])
    assert shapes(a) == shapes(b)


@pytest.mark.parametrize("name", VAES)
def test_vae_computes_what_diffusers_computes(name: str) -> None:
    torch.manual_seed(0)
    config = dict(VAES[name])
    config |= dict(channels=tuple(c // 8 if c > 64 else c for c in config["channels"]), groups=4)
    a, b = vae_pair(config)
    a.load_state_dict(b.state_dict(), strict=True)
    x = torch.randn(2, 3, 40, 48)
    with torch.no_grad():
        posterior = b.encode(x).latent_dist
        z = a.encode(x)
        assert (z - posterior.mean * 0.18215).abs().max() <= 1e-6
        noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(3))
        sample = posterior.sample(torch.Generator().manual_seed(3)) * 0.18215
        assert (a.encode(x, noise) - sample).abs().max() <= 1e-6
        latent = torch.randn(z.shape)
        assert (a.decode(latent) - b.decode(latent / 0.18215).sample).abs().max() <= 1e-6


def test_factor_is_pixels_per_latent_cell() -> None:
    assert VAEConfig().factor == 8
    assert VAEConfig(channels=(128, 256, 512)).factor == 4
