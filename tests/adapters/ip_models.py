"""A tiny random IP-Adapter of each published kind, and its image encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from control_models import randomised
from safetensors.torch import save_file

VISION: dict[str, Any] = dict(
    hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, image_size=28, patch_size=7,
    hidden_act="gelu", projection_dim=20,
)  # fmt: skip
WIDE = 32  # of the resampler; its heads are 64 wide, as published


def their_vision() -> Any:
    """An image encoder of transformers."""
    import transformers

    config = transformers.CLIPVisionConfig(**VISION)
    return randomised(transformers.CLIPVisionModelWithProjection(config), 7)


def attention_shapes(unet: Any) -> list[tuple[int, int]]:
    """(own width, width of the context) of the cross-attentions in the order that the published files count them."""
    return [
        (unet.get_submodule(name.removesuffix(".processor")).to_k.weight.shape[0], unet.config.cross_attention_dim)
        for name in unet.attn_processors
        if name.endswith("attn2.processor")
    ]


def adapter_tensors(kind: str, unet: Any) -> dict[str, torch.Tensor]:
    """Tensors of a file of ``kind`` ("plain", "plus", "full") for a U-Net of diffusers."""
    dim, wide, hidden = unet.config.cross_attention_dim, WIDE, VISION["hidden_size"]
    own: dict[str, tuple[int, ...]] = {}
    if kind == "plain":
        own = {"proj.weight": (4 * dim, 20), "proj.bias": (4 * dim,), "norm.weight": (dim,), "norm.bias": (dim,)}
    if kind == "full":
        own = {"proj.0.weight": (hidden, hidden), "proj.0.bias": (hidden,), "proj.2.weight": (dim, hidden)}
        own |= {"proj.2.bias": (dim,), "proj.3.weight": (dim,), "proj.3.bias": (dim,)}
    if kind == "plus":
        own = {"latents": (1, 5, wide), "proj_in.weight": (wide, hidden), "proj_in.bias": (wide,)}
        own |= {"proj_out.weight": (dim, wide), "proj_out.bias": (dim,), "norm_out.weight": (dim,)}
        own |= {"norm_out.bias": (dim,)}
        for k in range(4):
            own |= {f"layers.{k}.0.norm{j}.{end}": (wide,) for j in (1, 2) for end in ("weight", "bias")}
            own |= {f"layers.{k}.0.to_q.weight": (128, wide), f"layers.{k}.0.to_kv.weight": (256, wide)}
            own |= {f"layers.{k}.0.to_out.weight": (wide, 128)}
            own |= {f"layers.{k}.1.0.weight": (wide,), f"layers.{k}.1.0.bias": (wide,)}
            own |= {f"layers.{k}.1.1.weight": (4 * wide, wide), f"layers.{k}.1.3.weight": (wide, 4 * wide)}
    shapes: dict[str, tuple[int, ...]] = {f"image_proj.{name}": shape for name, shape in own.items()}
    for k, shape in enumerate(attention_shapes(unet)):
        shapes |= {f"ip_adapter.{2 * k + 1}.to_{x}_ip.weight": shape for x in "kv"}
    generator = torch.Generator().manual_seed(9)
    return {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}


def nested(tensors: dict[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """As a .bin file has them."""
    out: dict[str, dict[str, torch.Tensor]] = {"image_proj": {}, "ip_adapter": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        out[part][rest] = tensor
    return out


def published(folder: Path, kind: str, unet: Any, *, pickle: bool = False) -> Path:
    """The published layout: the adapter's file with ``image_encoder/`` beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"ip-adapter_{kind}.{'bin' if pickle else 'safetensors'}"
    tensors = adapter_tensors(kind, unet)
    if pickle:
        torch.save(nested(tensors), path)
    else:
        save_file(tensors, path)
    their_vision().save_pretrained(folder / "image_encoder")
    return path
