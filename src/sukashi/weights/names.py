"""What the same weights are called in a single-file checkpoint, and how they were spelt in older folders.

Rules rewrite *our* name (that of a diffusers or transformers folder) to the other one; the first that matches wins. We
always walk our own names, never the checkpoint's, so that a missing tensor is noticed and leftovers can be listed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sukashi.nets.clip import CLIPTextConfig
from sukashi.nets.unet import UNetConfig
from sukashi.nets.vae import VAEConfig

Rule = tuple[str, Callable[[re.Match[str]], str] | str]


class Touch(NamedTuple):
    """Where not only the name differs: ``read`` makes ours of a stored tensor, ``write`` joins ours to that tensor."""

    read: Callable[[Tensor], Tensor]
    write: Callable[[Sequence[Tensor]], Tensor]


def third(i: int) -> Callable[[Tensor], Tensor]:
    """Query, key or value out of OpenCLIP's fused ``in_proj`` (3D, ...) -> (D, ...)."""
    return lambda fused: fused.reshape(3, fused.shape[0] // 3, *fused.shape[1:])[i]


AS_IS = Touch(lambda t: t, lambda ours: ours[0])
FUSED = [Touch(third(i), lambda ours: torch.cat(list(ours))) for i in range(3)]
TRANSPOSED = Touch(lambda t: t.mT, lambda ours: ours[0].mT)
AS_CONV = Touch(lambda t: t.flatten(1), lambda ours: ours[0][:, :, None, None])  # (C, C, 1, 1) <-> (C, C)


class Place(NamedTuple):
    """Where one of our tensors is kept: its name there, and what has to be done to it."""

    name: str
    touch: Touch = AS_IS

    def read(self, tensor: Tensor) -> Tensor:
        """Ours, from what is stored under ``name``."""
        return self.touch.read(tensor)


def rename(name: str, rules: Sequence[Rule]) -> str:
    """``name`` rewritten by the first rule whose pattern it begins with."""
    for pattern, target in rules:
        if match := re.match(pattern, name):
            return (target(match) if callable(target) else target) + name[match.end() :]
    raise KeyError(f"no single-file name is known for {name!r}")


UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def unet_rules(config: UNetConfig) -> list[Rule]:
    """U-Net: LDM numbers every layer in one row, down and up again."""
    n, up = config.resnets + 1, config.resnets + 1  # layers per resolution: resnets and the resampling; one resnet more
    has_attention = [bool(d) for d in reversed(config.depth)]  # attention then sits before the upsampler
    return [
        (r"time_embedding\.linear_([12])\.", lambda m: f"time_embed.{2 * int(m[1]) - 2}."),
        (r"time_embedding\.cond_proj\.", "time_embed.cond_proj."),
        (r"add_embedding\.linear_([12])\.", lambda m: f"label_emb.0.{2 * int(m[1]) - 2}."),
        (r"class_embedding\.", "label_emb."),
        (r"conv_in\.", "input_blocks.0.0."),
        (r"conv_norm_out\.", "out.0."),
        (r"conv_out\.", "out.2."),
        (
            r"down_blocks\.(\d)\.resnets\.(\d)\.(\w+)\.",
            lambda m: f"input_blocks.{1 + n * int(m[1]) + int(m[2])}.0.{UNET_RESNET[m[3]]}.",
        ),
        (r"down_blocks\.(\d)\.attentions\.(\d)\.", lambda m: f"input_blocks.{1 + n * int(m[1]) + int(m[2])}.1."),
        (r"down_blocks\.(\d)\.downsamplers\.0\.conv\.", lambda m: f"input_blocks.{n * (int(m[1]) + 1)}.0.op."),
        (r"mid_block\.resnets\.(\d)\.(\w+)\.", lambda m: f"middle_block.{2 * int(m[1])}.{UNET_RESNET[m[2]]}."),
        (r"mid_block\.attentions\.0\.", "middle_block.1."),
        (
            r"up_blocks\.(\d)\.resnets\.(\d)\.(\w+)\.",
            lambda m: f"output_blocks.{up * int(m[1]) + int(m[2])}.0.{UNET_RESNET[m[3]]}.",
        ),
        (r"up_blocks\.(\d)\.attentions\.(\d)\.", lambda m: f"output_blocks.{up * int(m[1]) + int(m[2])}.1."),
        (
            r"up_blocks\.(\d)\.upsamplers\.0\.",
            lambda m: f"output_blocks.{up * int(m[1]) + config.resnets}.{1 + has_attention[int(m[1])]}.",
        ),
    ]


VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
VAE_OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}  # diffusers before 0.17


def vae_rules(config: VAEConfig) -> list[Rule]:
    """VAE: LDM counts the decoder's resolutions from the finest."""
    last = len(config.channels) - 1

    def shortcut(name: str) -> str:
        return "nin_shortcut" if name == "conv_shortcut" else name

    return [
        (
            r"encoder\.down_blocks\.(\d)\.resnets\.(\d)\.(\w+)",
            lambda m: f"encoder.down.{m[1]}.block.{m[2]}.{shortcut(m[3])}",
        ),
        (r"encoder\.down_blocks\.(\d)\.downsamplers\.0\.", lambda m: f"encoder.down.{m[1]}.downsample."),
        (
            r"decoder\.up_blocks\.(\d)\.resnets\.(\d)\.(\w+)",
            lambda m: f"decoder.up.{last - int(m[1])}.block.{m[2]}.{shortcut(m[3])}",
        ),
        (r"decoder\.up_blocks\.(\d)\.upsamplers\.0\.", lambda m: f"decoder.up.{last - int(m[1])}.upsample."),
        (r"(\w+)\.mid_block\.resnets\.(\d)\.(\w+)", lambda m: f"{m[1]}.mid.block_{int(m[2]) + 1}.{shortcut(m[3])}"),
        (
            r"(\w+)\.mid_block\.attentions\.0\.(group_norm|to_[qkv]|to_out\.0)",
            lambda m: f"{m[1]}.mid.attn_1.{VAE_ATTENTION[m[2]]}",
        ),
        (r"(\w+)\.conv_norm_out\.", lambda m: f"{m[1]}.norm_out."),
        (r"(?=(encoder|decoder)\.conv_(in|out)\.|(post_)?quant_conv\.)", ""),
    ]


OPEN_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
    "self_attn.q_proj": "attn.in_proj",
    "self_attn.k_proj": "attn.in_proj",
    "self_attn.v_proj": "attn.in_proj",
}
OPEN_CLIP_RULES: list[Rule] = [
    (r"text_model\.embeddings\.token_embedding\.", "token_embedding."),
    (r"text_model\.embeddings\.position_embedding\.weight", "positional_embedding"),
    (r"text_model\.final_layer_norm\.", "ln_final."),
    (r"text_projection\.weight", "text_projection"),
    (
        r"text_model\.encoder\.layers\.(\d+)\.self_attn\.[qkv]_proj\.",
        lambda m: f"transformer.resblocks.{m[1]}.attn.in_proj_",
    ),
    (
        r"text_model\.encoder\.layers\.(\d+)\.(layer_norm[12]|mlp\.fc[12]|self_attn\.out_proj)",
        lambda m: f"transformer.resblocks.{m[1]}.{OPEN_CLIP_LAYER[m[2]]}",
    ),
]

Places = Callable[[str], Sequence[Place]]  # our name -> where a file may keep it, the best first


def unet_places(config: UNetConfig) -> Places:
    """Where a single file keeps the U-Net's tensors."""
    rules = unet_rules(config)
    return lambda name: [Place("model.diffusion_model." + rename(name, rules))]


def vae_places(config: VAEConfig, prefix: str = "first_stage_model.") -> Places:
    """Where a single file keeps the VAE's tensors; its attention is made of 1x1 convolutions."""
    rules = vae_rules(config)

    def places(name: str) -> Sequence[Place]:
        touch = AS_CONV if re.search(r"attentions\.0\.to_.*weight$", name) else AS_IS
        return [Place(prefix + rename(name, rules), touch)]

    return places


def clip_places(prefix: str) -> Places:
    """Where a single file keeps a text encoder with transformers' names; some lack ``text_model.``."""
    return lambda name: [Place(prefix + name), Place(prefix + name.removeprefix("text_model."))]


def open_clip_places(prefix: str) -> Places:
    """Where a single file keeps a text encoder with OpenCLIP's names, query, key and value in one tensor."""

    def places(name: str) -> Sequence[Place]:
        if match := re.search(r"self_attn\.([qkv])_proj", name):
            touch = FUSED["qkv".index(match[1])]
        else:
            touch = TRANSPOSED if name == "text_projection.weight" else AS_IS
        return [Place(prefix + rename(name, OPEN_CLIP_RULES), touch)]

    return places


def folder_unet_places(name: str) -> Sequence[Place]:
    """A diffusers folder keeps the U-Net under our names."""
    return [Place(name)]


def folder_vae_places(name: str) -> Sequence[Place]:
    """A diffusers folder keeps the VAE under our names, but its attention has had two spellings and two shapes."""
    if not (match := re.search(r"attentions\.0\.(to_[qkv]|to_out\.0)\.", name)):
        return [Place(name)]
    touch = AS_CONV if name.endswith("weight") else AS_IS
    return [Place(name, touch), Place(name.replace(match[1], VAE_OLD[match[1]]), touch)]


def folder_text_places(name: str) -> Sequence[Place]:
    """Transformers 5 writes a plain text encoder without ``text_model.``, 4 and the projected ones with it."""
    return [Place(name), Place(name.removeprefix("text_model."))]


FOLDER_PLACES: Mapping[str, Places] = {
    "unet": folder_unet_places,
    "vae": folder_vae_places,
    "text_encoder": folder_text_places,
    "text_encoder_2": folder_text_places,
}
# Tensors of a text encoder's file that are no weights of it: an arange, and the rest of a whole CLIP.
TEXT_IGNORED = r"(^|\.)position_ids$|^vision_model\.|^visual_projection\.|^logit_scale$|^text_projection\.weight$"


def open_clip_ignored(prefix: str, config: CLIPTextConfig) -> str:
    """Pattern of the tensors of an OpenCLIP file that are not used.

    SD 2 was trained on the last layer but one; a folder leaves the last layer out, a single file keeps it.
    """
    start = "^" + re.escape(prefix)
    unused = rf"{start}transformer\.resblocks\.{config.layers}\.|{start}(logit_scale|attn_mask|visual\.)"
    return unused if config.projection_dim else rf"{unused}|{start}text_projection$"
