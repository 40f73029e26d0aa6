"""Small LoRA files in the spellings of the field, made without the library's own tables."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sukashi.adapters.lora.apply import nets_of
from sukashi.weights.parts import Parts

PREFIX = {"unet": "lora_unet_", "text_encoder": "lora_te_", "text_encoder_2": "lora_te2_"}
SOME = ("attn1.to_q", "attn2.to_k", "attn1.to_out.0", "ff.net.0.proj", "self_attn.q_proj", "mlp.fc2")


def chosen(parts: Parts, endings: tuple[str, ...] = SOME) -> dict[tuple[str, str], nn.Module]:
    """Layers whose paths end so, by part and path."""
    return {
        (part, path): module
        for part, net in nets_of(parts).items()
        for path, module in net.named_modules()
        if path.endswith(endings)
    }


def kohya(parts: Parts, endings: tuple[str, ...] = SOME, rank: int = 2, alpha: float | None = 1.0) -> dict[str, Tensor]:
    """A random file with Kohya's names."""
    torch.manual_seed(7)
    two = len(parts.text_encoders) == 2
    tensors: dict[str, Tensor] = {}
    for (part, path), module in chosen(parts, endings).items():
        prefix = "lora_te1_" if two and part == "text_encoder" else PREFIX[part]
        name = prefix + path.replace(".", "_")
        tensors |= {f"{name}.{factor}": t for factor, t in pair(module, rank).items()}
        if alpha is not None:
            tensors[f"{name}.alpha"] = torch.tensor(alpha)
    return tensors


def pair(module: nn.Module, rank: int) -> dict[str, Tensor]:
    """Random factors for a layer, as Kohya names them."""
    out, *inside = module.weight.shape
    down = torch.randn(rank, *inside)
    up = torch.randn(out, rank, *[1] * (len(inside) - 1))
    return {"lora_down.weight": down * 0.1, "lora_up.weight": up * 0.1}


def saved(tensors: dict[str, Tensor], path: Path, **metadata: str) -> Path:
    """Write a safetensors file."""
    save_file({name: t.contiguous() for name, t in tensors.items()}, path, metadata=metadata or None)
    return path
