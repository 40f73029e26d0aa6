"""Models with random weights, written once as diffusers folders that both sides load."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

DDIM = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False,
    "set_alpha_to_one": False, "steps_offset": 1,
}  # fmt: skip
DOWN, UP = "DownBlock2D", "UpBlock2D"
CROSS_DOWN, CROSS_UP = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
FULL_UNET: dict[str, Any] = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": (CROSS_DOWN, CROSS_DOWN, CROSS_DOWN, DOWN),
    "up_block_types": (UP, CROSS_UP, CROSS_UP, CROSS_UP),
    "attention_head_dim": 8,
    "cross_attention_dim": 768,
}
TINY_UNET = FULL_UNET | {
    "sample_size": 16,
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "down_block_types": (CROSS_DOWN, DOWN),
    "up_block_types": (UP, CROSS_UP),
    "attention_head_dim": 4,
    "cross_attention_dim": 32,
    "norm_num_groups": 8,
}
FULL_VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
    "sample_size": 512,
}
TINY_VAE = FULL_VAE | {
    "block_out_channels": (8, 16, 16, 16),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "sample_size": 128,
}
FULL_TEXT: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "vocab_size": 49408,
}
TINY_TEXT = FULL_TEXT | {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 514}
HEADS = {768: 12, 32: 4}


def vocabulary() -> list[str]:
    """The names of CLIP's BPE without merges: the bytes as letters, the same at the end of a word, two specials."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = [chr(b) for b in plain] + [chr(256 + k) for k in range(256 - len(plain))]
    return [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]


def write_tokenizer(folder: Path) -> None:
    """``vocab.json`` and ``merges.txt``, as transformers reads them."""
    names = vocabulary()
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "unk_token": "<|endoftext|>", **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special), encoding="utf-8")


def write_model(folder: Path, *, full: bool) -> Path:
    """A Stable Diffusion 1.x folder with random weights: at the size of SD 1.5, or tiny. Written once."""
    if (folder / "model_index.json").is_file():
        return folder
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    torch.manual_seed(0)
    text: dict[str, Any] = FULL_TEXT if full else TINY_TEXT
    end = text["vocab_size"] - 1
    config = CLIPTextConfig(
        **text, num_attention_heads=HEADS[text["hidden_size"]], bos_token_id=end - 1, eos_token_id=end, pad_token_id=end
    )
    CLIPTextModel(config).save_pretrained(part / "text_encoder")
    UNet2DConditionModel(**(FULL_UNET if full else TINY_UNET)).save_pretrained(part / "unet")
    AutoencoderKL(**(FULL_VAE if full else TINY_VAE)).save_pretrained(part / "vae")
    DDIMScheduler(**DDIM).save_pretrained(part / "scheduler")
    write_tokenizer(part / "tokenizer")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
        "safety_checker": [None, None],
        "feature_extractor": [None, None],
    }
    (part / "model_index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")
    os.replace(part, folder)
    return folder
