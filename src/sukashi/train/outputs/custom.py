"""The keys and values that Custom Diffusion has taught, as a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sukashi.adapters.lora.apply import open_lora
from sukashi.adapters.lora.layers import tensors_of
from sukashi.adapters.lora.names import Target
from sukashi.train.outputs.loras import kohya_stem
from sukashi.train.outputs.metadata import model_spec
from sukashi.weights.errors import CheckpointError
from sukashi.weights.parts import Parts
from sukashi.weights.tensors import open_tensors, to_be_written, write_safetensors

if TYPE_CHECKING:
    from sukashi.train.methods.taught import Facts


def write_custom(path: Path, weights: Mapping[str, Tensor], base: Parts, facts: Facts) -> Path:
    """Write the new ``weights`` of the U-Net's layers, by path; CheckpointError where they are not read again so.

    With ``config.keys`` "kohya" as differences from the model, ``lora_unet_..._attn2_to_k.diff`` (LyCORIS' full
    matrices; our own loader, A1111 and ComfyUI read them); with "peft" as diffusers' ``load_attn_procs`` takes them,
    ``....attn2.processor.to_k_custom_diffusion.weight``, and an empty tensor for each attention that stays.
    """
    dtype, differences = getattr(torch, facts.config.saved_as), facts.config.keys == "kohya"
    tensors = {}
    for place, weight in weights.items():
        if differences:
            old, _ = tensors_of(base.unet.get_submodule(place))
            name = f"{kohya_stem(Target('unet', place), base)}.diff"
            tensors[name] = (weight - old).cpu().to(dtype)
        else:
            block, _, layer = place.rpartition(".")
            tensors[f"{block}.processor.{layer}_custom_diffusion.weight"] = weight.cpu().to(dtype)
            tensors[f"{block.removesuffix('attn2')}attn1.processor"] = torch.empty(0)
    metadata = {"format": "pt", **model_spec(facts, "lora" if differences else "custom-diffusion", path.stem, tensors)}
    write_safetensors(path, {name: to_be_written(t) for name, t in tensors.items()}, metadata, overwrite=True)
    again = open_tensors(path)
    if any(not torch.equal(again[name].read(), tensor) for name, tensor in tensors.items()):
        raise CheckpointError(f"{path}: what was written is not what is read again")
    if differences and len(open_lora(path, base).changes["unet"]) != len(weights):
        raise CheckpointError(f"{path}: not all of its layers are found in the model")
    return path
