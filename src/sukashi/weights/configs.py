"""The json configs of diffusers and transformers folders, read into our config classes and written from them.

Every key that we support is honoured; every other key must hold the default under which it has no effect, else the
reader refuses it by name. A key nobody knows is refused too: a config is never half understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sukashi.nets.clip import ACTIVATIONS, CLIPTextConfig
from sukashi.nets.unet import UNetConfig
from sukashi.nets.vae import VAEConfig
from sukashi.weights.errors import ConfigError

Json = Mapping[str, Any]

# Keys without an effect here, each with the values under which that is true; () means any value.
UNET_INERT: dict[str, tuple[Any, ...]] = {
    "sample_size": (),  # a default picture size, read by ``families``
    "addition_embed_type_num_heads": (),  # only for addition_embed_type "text"
    "upcast_attention": (),  # SD 2.1 sets it; diffusers' own SDPA path ignores it too (attention_processor.py)
    "act_fn": ("silu", "swish"),
    "attention_type": ("default",),
    "center_input_sample": (False,),
    "class_embed_type": (None,),
    "class_embeddings_concat": (False,),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "cross_attention_norm": (None,),
    "downsample_padding": (1,),
    "dropout": (0.0,),
    "dual_cross_attention": (False,),
    "encoder_hid_dim": (None,),
    "encoder_hid_dim_type": (None,),
    "flip_sin_to_cos": (True,),
    "freq_shift": (0,),
    "mid_block_only_cross_attention": (None, False),
    "mid_block_scale_factor": (1,),
    "mid_block_type": ("UNetMidBlock2DCrossAttn",),
    "norm_eps": (1e-5,),
    "num_attention_heads": (None,),
    "resnet_out_scale_factor": (1.0,),
    "resnet_skip_time_act": (False,),
    "resnet_time_scale_shift": ("default",),
    "reverse_transformer_layers_per_block": (None,),
    "time_embedding_act_fn": (None,),
    "time_embedding_dim": (None,),
    "time_embedding_type": ("positional",),
    "timestep_post_act": (None,),
}
VAE_INERT: dict[str, tuple[Any, ...]] = {
    "sample_size": (),
    "act_fn": ("silu", "swish"),
    "latents_mean": (None,),
    "latents_std": (None,),
    "shift_factor": (None, 0, 0.0),
}
TEXT_INERT: dict[str, tuple[Any, ...]] = {
    # training, bookkeeping and output switches of transformers; none changes what the encoder computes
    **{key: () for key in ("attention_dropout", "dropout", "initializer_factor", "initializer_range", "architectures")},
    **{key: () for key in ("torch_dtype", "dtype", "transformers_version", "bos_token_id", "pad_token_id")},
    **{key: () for key in ("output_hidden_states", "output_attentions", "return_dict", "use_return_dict")},
    **{key: () for key in ("chunk_size_feed_forward", "id2label", "label2id", "problem_type", "torchscript")},
    **{key: () for key in ("use_bfloat16", "tie_word_embeddings", "gradient_checkpointing", "name_or_path")},
    "model_type": ("clip_text_model",),
    "is_encoder_decoder": (False,),
}


class Reader:
    """Takes keys out of a json one by one; ``finish`` refuses what is left and not known to be inert."""

    def __init__(self, json: Json, what: str, inert: Mapping[str, tuple[Any, ...]]) -> None:
        self.left, self.what, self.inert = dict(json), what, inert

    def take(self, key: str, default: Any) -> Any:
        """The value of ``key``, or ``default`` where the file does not have it."""
        return self.left.pop(key, default)

    def refuse(self, key: str, value: object, accepted: str) -> ConfigError:
        """The error for one value."""
        return ConfigError(f"{self.what}: {key} = {value!r} is not supported; accepted: {accepted}")

    def whole(self, key: str, default: int) -> int:
        """A positive whole number (a list of equal ones counts as that one)."""
        value = self.take(key, default)
        if isinstance(value, Sequence) and not isinstance(value, str) and len({*value}) == 1:
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.refuse(key, value, "a positive whole number")
        return value

    def each(self, key: str, default: Any, count: int, kind: type) -> tuple[Any, ...]:
        """One value per resolution: a list of ``count``, or one value that stands for all."""
        value = self.take(key, default)
        values = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,) * count
        if len(values) != count or not all(type(v) is kind for v in values):
            raise self.refuse(key, value, f"{kind.__name__}, or a list of {count} of them, one per resolution")
        return values

    def finish(self) -> None:
        """Raise for the first key that we neither took nor know to be without effect."""
        for key, value in self.left.items():
            if key.startswith("_"):
                continue
            if key not in self.inert:
                raise ConfigError(f"{self.what}: the key {key} (= {value!r}) is not known to this library")
            if (accepted := self.inert[key]) and value not in accepted:
                raise self.refuse(key, value, " or ".join(map(repr, accepted)))


def check_class(json: Json, *accepted: str) -> None:
    """Raise when the file says that it belongs to another class."""
    if (name := json.get("_class_name", accepted[0])) not in accepted:
        raise ConfigError(f"_class_name = {name!r} is not supported here; accepted: {', '.join(accepted)}")


def block_types(read: Reader, channels: int) -> tuple[bool, ...]:
    """Which resolutions have attention, from the names of the down blocks; the up blocks must mirror them."""
    down = read.take("down_block_types", ("CrossAttnDownBlock2D",) * (channels - 1) + ("DownBlock2D",))
    known = {"CrossAttnDownBlock2D": True, "DownBlock2D": False}
    if len(down) != channels or not all(name in known for name in down):
        raise read.refuse("down_block_types", down, f"{channels} of {', '.join(known)}")
    mirrored = [name.replace("Down", "Up") for name in reversed(down)]
    up = read.take("up_block_types", mirrored)
    if list(up) != mirrored:
        raise read.refuse("up_block_types", up, f"the mirror image of down_block_types, {mirrored}")
    return tuple(known[name] for name in down)


def unet_config(json: Json) -> UNetConfig:
    """``unet/config.json`` -> ``UNetConfig``. Note that ``attention_head_dim`` is the *number* of heads."""
    check_class(json, "UNet2DConditionModel")
    read = Reader(json, "U-Net config", UNET_INERT)
    channels = tuple(read.take("block_out_channels", (320, 640, 1280, 1280)))
    n = len(channels)
    attention = block_types(read, n)
    depth = read.each("transformer_layers_per_block", 1, n, int)
    embed, pooled = read.take("addition_embed_type", None), read.take("projection_class_embeddings_input_dim", None)
    if embed not in (None, "text_time"):
        raise read.refuse("addition_embed_type", embed, "None or 'text_time' (SDXL)")
    if (embed is None) != (pooled is None):
        raise read.refuse("projection_class_embeddings_input_dim", pooled, f"what addition_embed_type {embed!r} needs")
    config = UNetConfig(
        in_channels=read.whole("in_channels", 4),
        out_channels=read.whole("out_channels", 4),
        channels=channels,
        depth=tuple(d if has else 0 for d, has in zip(depth, attention, strict=True)),
        heads=read.each("attention_head_dim", 8, n, int),
        mid_depth=depth[-1],
        resnets=read.whole("layers_per_block", 2),
        context_dim=read.whole("cross_attention_dim", 1280),
        cross_only=read.each("only_cross_attention", False, n, bool),
        linear_projection=bool(read.take("use_linear_projection", False)),
        noise_levels=read.take("num_class_embeds", None) or 0,
        pooled_dim=pooled or 0,
        size_dim=read.take("addition_time_embed_dim", None) or UNetConfig().size_dim,
        guidance_dim=read.take("time_cond_proj_dim", None) or 0,
        groups=read.whole("norm_num_groups", 32),
    )
    read.finish()
    return config


def vae_config(json: Json, row: VAEConfig | None = None) -> VAEConfig:
    """``vae/config.json`` -> ``VAEConfig``.

    ``row`` is what the model's family has, for two keys that old files leave out: the scale (0.18215 before SDXL), and
    ``force_upcast``, which newer files carry for every family though only the SDXL and x4 autoencoders overflow
    float16: it is on when the family needs it and the file does not say false.
    """
    row = row or VAEConfig()
    check_class(json, "AutoencoderKL")
    read = Reader(json, "VAE config", VAE_INERT)
    channels = tuple(read.take("block_out_channels", (64,)))
    for key, name in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")):
        if list(names := read.take(key, [name] * len(channels))) != [name] * len(channels):
            raise read.refuse(key, names, f"{len(channels)} times {name}")
    image_channels, out_channels = read.whole("in_channels", 3), read.whole("out_channels", 3)
    if image_channels != out_channels:
        raise read.refuse("out_channels", out_channels, f"the same as in_channels, {image_channels}")
    scale = read.take("scaling_factor", None)
    config = VAEConfig(
        channels=channels,
        resnets=read.whole("layers_per_block", 1),
        latent_channels=read.whole("latent_channels", 4),
        image_channels=image_channels,
        scale=row.scale if scale is None else float(scale),
        groups=read.whole("norm_num_groups", 32),
        mid_attention=bool(read.take("mid_block_add_attention", True)),
        quant_conv=bool(read.take("use_quant_conv", True)),
        post_quant_conv=bool(read.take("use_post_quant_conv", True)),
        force_upcast=bool(read.take("force_upcast", True)) and row.force_upcast,
    )
    read.finish()
    return config


def text_config(json: Json) -> CLIPTextConfig:
    """``text_encoder/config.json`` of transformers 4 or 5 -> ``CLIPTextConfig``.

    ``projection_dim`` counts only for ``CLIPTextModelWithProjection``. Configs from before 2023 say eos_token_id 2,
    which no vocabulary means; ``CLIPText.end_of`` says what is done then.
    """
    read = Reader(json, "text encoder config", TEXT_INERT)
    kinds = json.get("architectures") or ["CLIPTextModel"]
    if kinds[0] not in ("CLIPTextModel", "CLIPTextModelWithProjection", "CLIPModel"):
        raise read.refuse("architectures", kinds, "CLIPTextModel, CLIPTextModelWithProjection")
    projection = read.take("projection_dim", 512)
    config = CLIPTextConfig(
        vocab_size=read.whole("vocab_size", 49408),
        **layers_of(read, 512, 8),
        positions=read.whole("max_position_embeddings", 77),
        projection_dim=projection if kinds[0] == "CLIPTextModelWithProjection" else None,
        eos_token_id=read.take("eos_token_id", 49407),
    )
    read.finish()
    return config


def layers_of(read: Reader, width: int, heads: int) -> dict[str, Any]:
    """The fields of a ``TransformerConfig``; what is left out is as transformers has it."""
    activation = read.take("hidden_act", "quick_gelu")
    if activation not in ACTIVATIONS:
        raise read.refuse("hidden_act", activation, " or ".join(ACTIVATIONS))
    return {
        "width": read.whole("hidden_size", width),
        "mlp_width": read.whole("intermediate_size", 4 * width),
        "layers": read.whole("num_hidden_layers", 12),
        "heads": read.whole("num_attention_heads", heads),
        "activation": activation,
        "norm_eps": float(read.take("layer_norm_eps", 1e-5)),
    }


def unet_json(config: UNetConfig, size: int) -> dict[str, Any]:
    """``UNetConfig`` -> the json that diffusers reads; ``size`` is the latent side it was trained at."""
    down = ["CrossAttnDownBlock2D" if d else "DownBlock2D" for d in config.depth]
    # where there is no attention diffusers still wants a number; the last entry is also the depth of the middle
    depth = [d or 1 for d in config.depth[:-1]] + [config.mid_depth]
    if config.depth[-1] not in (0, config.mid_depth):
        raise ConfigError(
            f"mid_depth {config.mid_depth} differs from the last depth {config.depth[-1]}: no json has both"
        )
    return {
        "_class_name": "UNet2DConditionModel",
        "sample_size": size,
        "in_channels": config.in_channels,
        "out_channels": config.out_channels,
        "block_out_channels": list(config.channels),
        "down_block_types": down,
        "up_block_types": [name.replace("Down", "Up") for name in reversed(down)],
        "layers_per_block": config.resnets,
        "attention_head_dim": list(config.heads),
        "transformer_layers_per_block": depth,
        "cross_attention_dim": config.context_dim,
        "only_cross_attention": list(config.cross_only),
        "use_linear_projection": config.linear_projection,
        "num_class_embeds": config.noise_levels or None,
        "addition_embed_type": "text_time" if config.pooled_dim else None,
        "addition_time_embed_dim": config.size_dim if config.pooled_dim else None,
        "projection_class_embeddings_input_dim": config.pooled_dim or None,
        "time_cond_proj_dim": config.guidance_dim or None,
        "norm_num_groups": config.groups,
    }


def vae_json(config: VAEConfig, size: int) -> dict[str, Any]:
    """``VAEConfig`` -> the json that diffusers reads; ``size`` is the picture side it was trained at."""
    return {
        "_class_name": "AutoencoderKL",
        "sample_size": size,
        "in_channels": config.image_channels,
        "out_channels": config.image_channels,
        "block_out_channels": list(config.channels),
        "down_block_types": ["DownEncoderBlock2D"] * len(config.channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(config.channels),
        "layers_per_block": config.resnets,
        "latent_channels": config.latent_channels,
        "norm_num_groups": config.groups,
        "scaling_factor": config.scale,
        "force_upcast": config.force_upcast,
        "mid_block_add_attention": config.mid_attention,
        "use_quant_conv": config.quant_conv,
        "use_post_quant_conv": config.post_quant_conv,
    }


def text_json(config: CLIPTextConfig) -> dict[str, Any]:
    """``CLIPTextConfig`` -> the json that transformers reads."""
    projected = config.projection_dim is not None
    return {
        "architectures": ["CLIPTextModelWithProjection" if projected else "CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": config.vocab_size,
        "hidden_size": config.width,
        "intermediate_size": config.mlp_width,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "max_position_embeddings": config.positions,
        "hidden_act": config.activation,
        "layer_norm_eps": config.norm_eps,
        "eos_token_id": config.eos_token_id,
        "projection_dim": config.projection_dim if projected else config.width,
    }
