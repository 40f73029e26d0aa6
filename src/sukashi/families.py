"""The kinds of Stable Diffusion checkpoint as one table of facts; a new kind is a new row.

A diffusers folder's json overrides its row; a single file is recognised by a few of the row's facts (its channels, the
width of its context, its extra embedding) and must then fit all of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from sukashi.nets.clip import CLIPTextConfig
from sukashi.nets.unet import UNetConfig
from sukashi.nets.vae import VAEConfig
from sukashi.weights.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Family:
    """One kind of checkpoint: its networks, how its text is read, and the schedule it was published with."""

    name: str
    title: str  # for people
    architecture: str  # the id of the ModelSpec metadata standard
    pipeline: str  # the diffusers class that a model_index.json names
    unet: UNetConfig
    vae: VAEConfig
    text: tuple[CLIPTextConfig, ...]
    hidden: Literal["last", "penultimate"] = "last"  # last: after the final norm; penultimate: hidden[-2] as it is
    text_names: tuple[Literal["clip", "open_clip"], ...]  # whose names a single file has for each encoder
    pad: tuple[str, ...]  # the token each encoder's prompts are filled up with
    size: int  # pixels per side it was trained at
    scheduler: Mapping[str, Any] = field(default_factory=dict)  # as in scheduler_config.json
    low_res_scheduler: Mapping[str, Any] | None = None  # the x4 upscaler's, that adds noise to the small picture
    max_noise_level: int = 350  # the x4 upscaler's: how much of that noise may be asked for
    zero_empty_prompt: bool = False  # SDXL base: without a negative prompt its embedding is zeros, not that of ""

    @property
    def predicts(self) -> str:
        """What the U-Net says: "epsilon", "v_prediction" or "sample"."""
        return str(self.scheduler.get("prediction_type", "epsilon"))

    @property
    def size_numbers(self) -> int:
        """How many numbers SDXL is told about sizes: 6 (original, crop, target), the refiner 5, others 0.

        The refiner's fifth is the aesthetic score, in place of the two of the target size.
        """
        if not self.unet.pooled_dim:
            return 0
        text = self.text[-1]
        return (self.unet.pooled_dim - (text.projection_dim or text.width)) // self.unet.size_dim


def schedule(name: str, predicts: str = "epsilon", **keys: object) -> Mapping[str, Any]:
    """A published scheduler_config.json: betas "scaled linear" from 0.00085 to 0.012 unless ``keys`` say otherwise."""
    config = {
        "_class_name": name,
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "trained_betas": None,
        "prediction_type": predicts,
        "clip_sample": False,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "steps_offset": 1,
    }
    return MappingProxyType(config | keys)


END, BANG = "<|endoftext|>", "!"  # "!" has id 0

CLIP_L = CLIPTextConfig()
OPEN_CLIP_H = CLIPTextConfig(
    width=1024, mlp_width=4096, layers=23, heads=16, activation="gelu"
)  # 24 less the unused last
OPEN_CLIP_G = CLIPTextConfig(width=1280, mlp_width=5120, layers=32, heads=20, activation="gelu", projection_dim=1280)

SD1_UNET = UNetConfig()
SD2_UNET = UNetConfig(heads=(5, 10, 20, 20), context_dim=1024, linear_projection=True)
SDXL_UNET = UNetConfig(
    channels=(320, 640, 1280),
    depth=(0, 2, 10),
    mid_depth=10,
    heads=(5, 10, 20),
    context_dim=2048,
    cross_only=(False,) * 3,
    linear_projection=True,
    pooled_dim=1280 + 6 * 256,
)
REFINER_UNET = replace(
    SDXL_UNET,
    channels=(384, 768, 1536, 1536),
    depth=(0, 4, 4, 0),
    mid_depth=4,
    heads=(6, 12, 24, 24),
    context_dim=1280,
    cross_only=(False,) * 4,
    pooled_dim=1280 + 5 * 256,
)
X4_UNET = UNetConfig(
    in_channels=7,
    channels=(256, 512, 512, 1024),
    depth=(0, 1, 1, 1),
    context_dim=1024,
    cross_only=(True, True, True, False),
    linear_projection=True,
    noise_levels=1000,
)
X4_BETAS: dict[str, Any] = {"beta_start": 0.0001, "beta_end": 0.02}  # LDM's "linear" is linear in the square root

SD1 = Family(
    name="sd1",
    title="Stable Diffusion 1.x",
    architecture="stable-diffusion-v1",
    pipeline="StableDiffusionPipeline",
    unet=SD1_UNET,
    vae=VAEConfig(),
    text=(CLIP_L,),
    text_names=("clip",),
    pad=(END,),
    size=512,
    scheduler=schedule("PNDMScheduler"),
)
SD2 = replace(
    SD1,
    name="sd2",
    title="Stable Diffusion 2.x (epsilon)",
    architecture="stable-diffusion-v2-512",
    unet=SD2_UNET,
    text=(OPEN_CLIP_H,),
    text_names=("open_clip",),
    pad=(BANG,),
)
SDXL = Family(
    name="sdxl",
    title="Stable Diffusion XL",
    architecture="stable-diffusion-xl-v1-base",
    pipeline="StableDiffusionXLPipeline",
    unet=SDXL_UNET,
    vae=VAEConfig(scale=0.13025, force_upcast=True),
    text=(CLIP_L, OPEN_CLIP_G),
    text_names=("clip", "open_clip"),
    hidden="penultimate",
    pad=(END, BANG),
    zero_empty_prompt=True,
    size=1024,
    scheduler=schedule(
        "EulerDiscreteScheduler", timestep_spacing="leading", interpolation_type="linear", use_karras_sigmas=False
    ),
)

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        SD1,
        replace(
            SD1,
            name="sd1-inpaint",
            title="Stable Diffusion 1.x inpainting",
            architecture="stable-diffusion-v1-inpainting",
            pipeline="StableDiffusionInpaintPipeline",
            unet=replace(SD1_UNET, in_channels=9),
            scheduler=schedule("DDIMScheduler"),
        ),
        replace(
            SD1,
            name="sd1-pix2pix",
            title="InstructPix2Pix",
            architecture="stable-diffusion-v1-edit",
            pipeline="StableDiffusionInstructPix2PixPipeline",
            unet=replace(SD1_UNET, in_channels=8),
            scheduler=schedule("EulerAncestralDiscreteScheduler"),
        ),
        SD2,
        replace(
            SD2,
            name="sd2-v",
            title="Stable Diffusion 2.x (v-prediction)",
            architecture="stable-diffusion-v2-768-v",
            size=768,
            scheduler=schedule("DDIMScheduler", "v_prediction"),
        ),
        replace(
            SD2,
            name="sd2-inpaint",
            title="Stable Diffusion 2 inpainting",
            architecture="stable-diffusion-v2-inpainting",
            pipeline="StableDiffusionInpaintPipeline",
            unet=replace(SD2_UNET, in_channels=9),
        ),
        replace(
            SD2,
            name="sd2-depth",
            title="Stable Diffusion 2 depth",
            architecture="stable-diffusion-v2-depth",
            pipeline="StableDiffusionDepth2ImgPipeline",
            unet=replace(SD2_UNET, in_channels=5),
        ),
        replace(
            SD2,
            name="x4-upscaler",
            title="Stable Diffusion x4 upscaler",
            architecture="stable-diffusion-x4-upscaler",
            pipeline="StableDiffusionUpscalePipeline",
            unet=X4_UNET,
            vae=VAEConfig(channels=(128, 256, 512), scale=0.08333, force_upcast=True),
            scheduler=schedule("DDIMScheduler", "v_prediction", **X4_BETAS),
            low_res_scheduler=schedule("DDPMScheduler", **X4_BETAS),
        ),
        SDXL,
        replace(
            SDXL,
            name="sdxl-inpaint",
            title="Stable Diffusion XL inpainting",
            architecture="stable-diffusion-xl-v1-inpainting",
            pipeline="StableDiffusionXLInpaintPipeline",
            unet=replace(SDXL_UNET, in_channels=9),
        ),
        replace(
            SDXL,
            name="sdxl-refiner",
            title="Stable Diffusion XL refiner",
            architecture="stable-diffusion-xl-v1-refiner",
            pipeline="StableDiffusionXLImg2ImgPipeline",
            unet=REFINER_UNET,
            text=(OPEN_CLIP_G,),
            text_names=("open_clip",),
            pad=(BANG,),
            zero_empty_prompt=False,
        ),
    )
}


def family_named(name: str) -> Family:
    """The row called ``name``; an unknown name lists the known ones."""
    if name not in FAMILIES:
        raise ConfigError(f"no family is called {name!r}; the known ones are {', '.join(FAMILIES)}")
    return FAMILIES[name]


def family_like(unet: UNetConfig, *, encoders: int, predicts: str = "epsilon") -> Family:
    """The row that a folder of *any* size belongs to, by the traits that do not depend on size.

    ``encoders`` is how many text encoders the folder has. Sizes are left to the folder's own configs, so that the tiny
    models of test suites (and ours) are the same families as the big ones.
    """

    def traits(u: UNetConfig) -> tuple[object, ...]:
        return u.in_channels, bool(u.noise_levels), bool(u.pooled_dim), u.linear_projection or bool(u.pooled_dim)

    fits = [f for f in FAMILIES.values() if traits(f.unet) == traits(unet) and len(f.text) == encoders]
    if not fits:
        raise ConfigError(
            f"a U-Net with {unet.in_channels} input channels, {unet.noise_levels} noise levels, pooled width "
            f"{unet.pooled_dim}, {'linear' if unet.linear_projection else 'conv'} projections and {encoders} text "
            f"encoder(s) is none of the families {', '.join(FAMILIES)}"
        )
    return next((f for f in fits if f.predicts == predicts), fits[0])
