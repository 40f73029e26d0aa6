"""Tiny random networks of diffusers that control a U-Net, and their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
SDXL_TEXT: dict[str, Any] = dict(
    addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=20 + 6 * 8
)
UNETS: dict[str, dict[str, Any]] = {
    "sd1": dict(
        block_out_channels=(16, 32, 32, 32), down_block_types=(CROSS, CROSS, CROSS, PLAIN), attention_head_dim=2,
        cross_attention_dim=24, norm_num_groups=4,
    ),
    "sd2": dict(
        block_out_channels=(16, 32, 32, 32), down_block_types=(CROSS, CROSS, CROSS, PLAIN),
        attention_head_dim=[2, 4, 4, 4], cross_attention_dim=24, norm_num_groups=4, use_linear_projection=True,
    ),
    "sdxl": dict(
        block_out_channels=(16, 32, 32), down_block_types=(PLAIN, CROSS, CROSS), attention_head_dim=[2, 4, 4],
        cross_attention_dim=24, norm_num_groups=4, use_linear_projection=True,
        transformer_layers_per_block=[1, 2, 3], **SDXL_TEXT,
    ),
}  # fmt: skip
HINT = (8, 12, 16, 20)


def randomised(net: torch.nn.Module, seed: int = 0) -> Any:
    """The network with small random weights everywhere, also where training begins with zeros."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=generator) * 0.1)
    return net.eval()


def their_unet(family: str, **changes: Any) -> Any:
    """A U-Net of diffusers."""
    import diffusers

    config = UNETS[family] | changes
    up = tuple(name.replace("Down", "Up") for name in reversed(config["down_block_types"]))
    return randomised(diffusers.UNet2DConditionModel(up_block_types=up, **config), 1)


def their_controlnet(family: str, **changes: Any) -> Any:
    """A ControlNet of diffusers for ``their_unet``, its zero convolutions random."""
    import diffusers

    config = UNETS[family] | dict(conditioning_embedding_out_channels=HINT) | changes
    return randomised(diffusers.ControlNetModel(**config), 2)


def asked(family: str, batch: int = 2) -> tuple[dict[str, Any], dict[str, Any]]:
    """What SDXL is told besides, (ours, theirs); {} for the others."""
    if family != "sdxl":
        return {}, {}
    generator = torch.Generator().manual_seed(5)
    pooled = torch.randn(batch, 20, generator=generator)
    sizes = torch.tensor([[64.0, 48.0, 0.0, 0.0, 64.0, 48.0]] * batch)
    return dict(pooled=pooled, sizes=sizes), dict(added_cond_kwargs=dict(text_embeds=pooled, time_ids=sizes))


def inputs(height: int = 15, width: int = 13, batch: int = 2) -> tuple[torch.Tensor, ...]:
    """Latent, time, context and picture; odd sizes by default."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(batch, 4, height, width, generator=generator)
    context = torch.randn(batch, 7, 24, generator=generator)
    picture = torch.rand(batch, 3, 8 * height, 8 * width, generator=generator)
    return x, torch.full((batch,), 321.0), context, picture


def saved(net: Any, folder: Path) -> Path:
    """The network in a diffusers folder."""
    net.save_pretrained(folder)
    return folder
