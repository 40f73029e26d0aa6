"""What the files say of themselves: ModelSpec 1.0.1 (``modelspec.*``) and, for a LoRA, Kohya's ``ss_*``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timezone
from hashlib import sha256
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sukashi import __version__
from sukashi.families import Family
from sukashi.weights.save import MODEL_SPEC

if TYPE_CHECKING:
    from sukashi.train.methods.taught import Facts

BASES = {"stable-diffusion-v1": "sd_v1", "stable-diffusion-v2": "sd_v2", "stable-diffusion-xl": "sdxl_base_v1-0"}
STABILITY = "https://github.com/Stability-AI/generative-models"


def base_of(family: Family) -> str:
    """``ss_base_model_version``: "sd_v1", "sd_v2" or "sdxl_base_v1-0"."""
    return next(base for start, base in BASES.items() if family.architecture.startswith(start))


def model_spec(facts: Facts, kind: str, title: str, tensors: Mapping[str, Tensor], trigger: str = "") -> dict[str, str]:
    """The standard's keys for a file of ``kind`` ("lora", "textual-inversion"), the hash of its tensors among them."""
    family, size = facts.family, facts.config.size or facts.family.size
    told = {
        "sai_model_spec": MODEL_SPEC,
        "architecture": f"{family.architecture}/{kind}",
        "implementation": STABILITY if kind == "textual-inversion" or family.size_numbers else "diffusers",
        "implementation_version": f"sukashi/{__version__}",
        "title": title,
        "resolution": f"{size}x{size}",
        "description": f"{facts.method} of {facts.model}, {facts.steps} steps",
        "date": datetime.now(timezone.utc).replace(microsecond=0).isoformat(),
        "hash_sha256": f"0x{hash_of(tensors)}",
        "prediction_type": {"v_prediction": "v"}.get(family.predicts, family.predicts),
        "encoder_layer": str(facts.config.clip_skip),
    }
    return {
        f"modelspec.{key}": value for key, value in (told | ({"trigger_phrase": trigger} if trigger else {})).items()
    }


def kohya(facts: Facts, title: str, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Kohya's keys, as its ``train_network.py`` writes them, every value as text."""
    config, family = facts.config, facts.family
    size = config.size or family.size
    tags = Counter(tag.strip() for e in facts.examples if not e.prior for tag in e.caption.split(",") if tag.strip())
    arguments = {"algo": "lora", "dora": str(config.dora), "layers": ",".join(config.layers)}
    told = {
        "v2": base_of(family) == "sd_v2",
        "base_model_version": base_of(family),
        "sd_model_name": facts.model,
        "output_name": title,
        "network_module": "networks.lora",
        "network_dim": config.rank,
        "network_alpha": config.alpha or config.rank,
        "network_args": json.dumps(arguments),
        "learning_rate": config.rate,
        "unet_lr": config.rate,
        "text_encoder_lr": (config.rate if config.text_rate is None else config.text_rate) if config.text else None,
        "lr_scheduler": config.schedule,
        "lr_warmup_steps": config.warmup,
        "optimizer": config.optimizer,
        "num_train_images": sum(e.repeats for e in facts.examples if not e.prior),
        "num_reg_images": sum(e.prior for e in facts.examples),
        "batch_size_per_device": config.batch,
        "gradient_accumulation_steps": config.accumulation,
        "gradient_checkpointing": config.checkpointing,
        "mixed_precision": config.precision,
        "max_grad_norm": config.max_norm,
        "steps": facts.steps,
        "max_train_steps": config.steps,
        "seed": config.seed,
        "resolution": f"({size}, {size})",
        "enable_bucket": config.buckets,
        "cache_latents": config.cache,
        "clip_skip": config.clip_skip,
        "prior_loss_weight": config.prior_weight,
        "min_snr_gamma": config.snr_gamma,
        "noise_offset": config.noise_offset,
        "zero_terminal_snr": config.zero_snr or bool(family.scheduler.get("rescale_betas_zero_snr")),
        "caption_dropout_rate": config.forget,
        "tag_frequency": json.dumps({title: dict(tags)}, ensure_ascii=False),
        "training_comment": f"sukashi {__version__}",
    }
    said = {f"ss_{key}": str(value) for key, value in told.items()}
    return said | {"sshs_model_hash": hash_of(tensors)}


def hash_of(tensors: Mapping[str, Tensor]) -> str:
    """Sha256 of all tensors as ``write_safetensors`` lays them out: of the file after its header."""
    digest = sha256()
    for _, tensor in sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        digest.update(raw(tensor))
    return digest.hexdigest()


def raw(tensor: Tensor) -> bytes:
    """The bytes of a tensor."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()
