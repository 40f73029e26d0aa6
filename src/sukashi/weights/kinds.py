"""What a file of tensors is, told by the names in it alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

KINDS = {  # the first that fits wins
    "a LoRA": r"^lora_(unet|te|transformer)|\.lora_(down|up|A|B)\b|[._]lora\.(down|up)\.|^(unet|text_encoder):\d+:"
    r"|\.(hada_w1_a|lokr_w[12](_a)?|oft_blocks|on_input|diff|w_norm)$|^lycoris_",
    "a Flux model": r"double_blocks\.",
    "a Stable Diffusion 3 model": r"joint_blocks\.",
    "a checkpoint": r"^model\.diffusion_model\.",
    "a textual inversion embedding": r"^(emb_params|clip_[gl]|string_to_param.*|emb2?)$",
    "an IP-Adapter": r"^(image_proj|ip_adapter)\.",
    "a ControlNet": r"^control_model\.|^controlnet_cond_embedding\.|^(lora_)?controlnet",
    "a T2I-Adapter": r"^(adapter\.)?body\.\d+\.(block1|in_conv|resnets)",
    "an autoencoder (load it with vae=...)": r"^(first_stage_model\.)?(en|de)coder\.(down|up|mid)",
    "an upscaler": r"^(model\.\d+\.sub\.\d+|RRDB_trunk|conv_first|body\.\d+\.rdb\d|layers\.\d+\.residual_group)\.",
    "a U-Net of a diffusers folder (load the folder)": r"^down_blocks\.\d\.resnets",
    "a text encoder": r"^(text_model|encoder\.layers|transformer\.resblocks)\.",
}


def kind_of(names: Iterable[str]) -> str | None:
    """The kind with its article, for messages ("a LoRA"), or None."""
    there = list(names)
    return next((kind for kind, mark in KINDS.items() if any(re.search(mark, name) for name in there)), None)
