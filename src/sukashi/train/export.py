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
LARGEST = 15 * 2**20  # bytes of one weight file: what any host of code takes
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
    """Config and weights of one network, in float16; weights above :data:`LARGEST` go into several files."""
    tensors = {key: to_be_written(tensor.to(torch.float16)) for key, tensor in net.state_dict().items()}
    write_json(folder / "config.json", config, overwrite=True)
    sizes = {key: 2 * tensor.numel() for key, tensor in net.state_dict().items()}
    groups = in_files(sizes, LARGEST)
    if len(groups) == 1:
        write_safetensors(folder / f"{name}.safetensors", tensors, {"format": "pt"}, overwrite=True)
        return
    places: dict[str, str] = {}
    for k, keys in enumerate(groups, 1):
        file = f"{name}-{k:05d}-of-{len(groups):05d}.safetensors"
        write_safetensors(folder / file, {key: tensors[key] for key in keys}, {"format": "pt"}, overwrite=True)
        places |= dict.fromkeys(keys, file)
    index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": dict(sorted(places.items()))}
    write_json(folder / f"{name}.safetensors.index.json", index, overwrite=True)


def in_files(sizes: Mapping[str, int], largest: int) -> list[list[str]]:
    """Names in groups whose ``sizes`` add up to ``largest`` bytes at most; a single larger one is a group by itself."""
    groups: list[list[str]] = [[]]
    room = largest
    for name, size in sizes.items():
        if size > room and groups[-1]:
            groups.append([])
            room = largest
        groups[-1].append(name)
        room -= size
    return groups
