"""A taught LoRA as a file, with Kohya's names of the layers or with PEFT's, read again and compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sukashi.adapters.lora.apply import open_lora
from sukashi.adapters.lora.names import Target
from sukashi.adapters.lora.peft_config import KEY
from sukashi.train.outputs.metadata import kohya, model_spec
from sukashi.weights.errors import CheckpointError
from sukashi.weights.names import rename, unet_rules
from sukashi.weights.parts import Parts
from sukashi.weights.tensors import to_be_written, write_safetensors

if TYPE_CHECKING:
    from sukashi.train.methods.taught import Facts

Factors = Mapping[Target, Mapping[str, Tensor]]
"""Of every layer: ``down``, ``up``, and of DoRA ``length`` (o,)."""
KOHYA = {"down": "lora_down.weight", "up": "lora_up.weight", "length": "dora_scale"}
PEFT = {"down": "lora_A.weight", "up": "lora_B.weight", "length": "lora_magnitude_vector"}
READ = {"down": ("down",), "up": ("up",), "length": ("dora", "dora_out")}  # what our reader calls them


def write_lora(path: Path, factors: Factors, alpha: float, base: Parts, facts: Facts) -> Path:
    """Write ``factors`` with the names of ``facts.config.keys``; CheckpointError where they are read otherwise."""
    dtype = getattr(torch, facts.config.saved_as)
    named = kohya_names if facts.config.keys == "kohya" else peft_names
    stored = {target: {n: f.cpu().to(dtype) for n, f in own.items()} for target, own in factors.items()}
    tensors = named(stored, alpha, base)
    title, trigger = path.parent.name or path.stem, facts.trigger
    metadata = {"format": "pt", **kohya(facts, title, tensors), **model_spec(facts, "lora", title, tensors, trigger)}
    if facts.config.keys == "peft":
        metadata[KEY] = json.dumps(peft_settings(factors, alpha, facts), sort_keys=True)
    write_safetensors(path, {name: to_be_written(t) for name, t in tensors.items()}, metadata, overwrite=True)
    check(path, stored, alpha, base)
    return path


def kohya_names(factors: Factors, alpha: float, base: Parts) -> dict[str, Tensor]:
    """``lora_unet_down_blocks_0_..._to_q.lora_down.weight`` and so on, for SDXL after the names of Stability's code.

    As in ``networks/lora.py`` of Kohya's sd-scripts; ``dora_scale`` (o, 1, ...) as in LyCORIS.
    """
    tensors: dict[str, Tensor] = {}
    for target, own in factors.items():
        stem = kohya_stem(target, base)
        for name, factor in own.items():
            lengthy = name == "length"
            tensors[f"{stem}.{KOHYA[name]}"] = factor.reshape(-1, *[1] * (own["down"].ndim - 1)) if lengthy else factor
        tensors[f"{stem}.alpha"] = torch.tensor(alpha).to(own["up"])
    return tensors


def kohya_stem(target: Target, base: Parts) -> str:
    """What Kohya calls a layer: its path with underscores behind a prefix."""
    two, (part, path) = len(base.text_encoders) == 2, target
    prefixes = {"unet": "lora_unet", "text_encoder": "lora_te1" if two else "lora_te", "text_encoder_2": "lora_te2"}
    if two and part == "unet":
        path = rename(f"{path}.weight", unet_rules(base.unet.config)).removesuffix(".weight")
    return f"{prefixes[part]}_{path.replace('.', '_')}"


def peft_names(factors: Factors, alpha: float, base: Parts) -> dict[str, Tensor]:
    """``unet.down_blocks.0....to_q.lora_A.weight`` and so on, as diffusers' ``save_lora_weights`` has it.

    The length of a convolution is (1, o, 1, 1) there. That of a text encoder's layer ends in ".weight", without which
    transformers 5 does not find it; PEFT takes both.
    """
    tensors: dict[str, Tensor] = {}
    for (part, path), own in factors.items():
        for name, factor in own.items():
            conv = name == "length" and own["down"].ndim == 4
            ending = ".weight" if name == "length" and part != "unet" else ""
            tensors[f"{part}.{path}.{PEFT[name]}{ending}"] = factor.reshape(1, -1, 1, 1) if conv else factor
    return tensors


def peft_settings(factors: Factors, alpha: float, facts: Facts) -> dict[str, Any]:
    """PEFT's ``LoraConfig`` of each part, flat, as diffusers keeps it beside the tensors: alpha would be lost else.

    The layers of a text encoder are named so that they are found in transformers 4 and 5.
    """
    settings: dict[str, Any] = {}
    for part in dict.fromkeys(target.part for target in factors):
        own = {
            "r": facts.config.rank,
            "lora_alpha": alpha,
            "target_modules": [path.removeprefix("text_model.") for of, path in factors if of == part],
            "use_dora": facts.config.dora,
            "lora_bias": False,
            "bias": "none",
            "peft_type": "LORA",
        }
        settings |= {f"{part}.{key}": value for key, value in own.items()}
    return settings


def check(path: Path, factors: Factors, alpha: float, base: Parts) -> None:
    """Read the file and find its layers in the model; CheckpointError where they are not these, to the bit."""
    found = open_lora(path, base).changes
    count = sum(map(len, found.values()))
    for (part, place), own in factors.items():
        change = found[part][place]
        for name, factor in own.items():
            read = next(change.factors[key] for key in READ[name] if key in change.factors)
            if not torch.equal(read.flatten(), factor.flatten()):
                raise CheckpointError(f"{path}: {part}.{place} is not read again as it was written")
        if abs(change.scale - alpha / len(own["down"])) > 1e-3 * change.scale or count != len(factors):
            raise CheckpointError(f"{path}: {part}.{place} is read with the scale {change.scale:g} ({count} layers)")
