"""Write a trained model as a plain diffusers folder in float16."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sukashi.nets.clip import CLIPText
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE
from sukashi.train.vocabulary import Vocabulary, write_tokenizer
from sukashi.weights.configs import text_json, unet_json, vae_json
from sukashi.weights.tensors import to_be_written, write_json, write_safetensors

SCHEDULER: Mapping[str, Any] = {
    "_class_name": "DDIMScheduler",
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "trained_betas": None,
    "prediction_type": "v_prediction",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}
INDEX: Mapping[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}


def export(
    folder: Path, *, text: CLIPText, unet: UNet, vae: VAE, vocabulary: Vocabulary, words: Iterable[str], size: int
) -> None:
    """Write the whole folder: model_index.json, the three networks, tokenizer, scheduler, and ``words.json``.

    ``words`` are what the captions are made of, ``size`` the side of the pictures in pixels. Files that are there are
    replaced, each at once.
    """
    write_json(folder / "model_index.json", dict(INDEX), overwrite=True)
    write_json(folder / "scheduler" / "scheduler_config.json", dict(SCHEDULER), overwrite=True)
    _network(folder / "unet", "diffusion_pytorch_model", unet, unet_json(unet.config, size // vae.config.factor))
    _network(folder / "vae", "diffusion_pytorch_model", vae, vae_json(vae.config, size))
    start_end = {"bos_token_id": len(vocabulary.tokens) - 2, "pad_token_id": len(vocabulary.tokens) - 1}
    _network(folder / "text_encoder", "model", text, text_json(text.config) | start_end)
    write_tokenizer(vocabulary, folder / "tokenizer", positions=text.config.positions)
    write_json(folder / "words.json", sorted(set(words)), overwrite=True)


def _network(folder: Path, name: str, net: nn.Module, config: dict[str, Any]) -> None:
    tensors = {key: to_be_written(tensor.to(torch.float16)) for key, tensor in net.state_dict().items()}
    write_json(folder / "config.json", config, overwrite=True)
    write_safetensors(folder / f"{name}.safetensors", tensors, {"format": "pt"}, overwrite=True)
