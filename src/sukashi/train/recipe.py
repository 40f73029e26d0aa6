"""How kirie is trained: how big, how long, how fast; the same code on a CPU in hours and on a GPU in minutes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from sukashi.nets.unet import UNetConfig
from sukashi.nets.vae import VAEConfig
from sukashi.train.run import Budget

SMALL_VAE = VAEConfig(channels=(16, 16, 48, 96), resnets=1, groups=4, mid_attention=False)
SMALL_UNET = UNetConfig(
    channels=(48, 96, 160),
    depth=(1, 1, 1),
    heads=(2, 4, 5),
    resnets=1,
    context_dim=128,
    cross_only=(False, False, False),
    linear_projection=True,
    groups=16,
)
LARGE_VAE = replace(SMALL_VAE, channels=(32, 32, 64, 128))
LARGE_UNET = replace(SMALL_UNET, channels=(80, 144, 192), heads=(4, 6, 8), context_dim=192)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How big, how long, how fast."""

    pictures: int = 24_000
    wordings: int = 8  # captions of each picture
    captions: int = 30_000  # that the vocabulary is learnt from
    start: Path | None = None  # a model folder to go on from: its autoencoder is kept, its weights are taken over
    vae: VAEConfig = SMALL_VAE
    unet: UNetConfig = SMALL_UNET
    text_layers: int = 2
    text_heads: int = 4
    positions: int = 48
    vae_budget: Budget
    vae_batch: int = 4
    vae_rate: float = 5e-4
    reading_budget: Budget | None = None  # of the text encoder alone, frozen after; None: it learns with the U-Net
    reading_batch: int = 192
    reading_rate: float = 1.5e-3
    budget: Budget  # of the U-Net
    polish_budget: Budget | None = None  # of the decoder alone, when the U-Net is done
    batch: int = 32
    rate: float = 5e-4
    emphasis: float = 3.0  # how many times a cell of a head counts in the loss
    least: float = 0.5  # what a noise level counts at least
    average: float = 0.999  # how slowly the moving average follows
    seed: int = 0
    workers: int = 1
    save_every: float = 180.0  # seconds between checkpoints
    sheet_every: float = 600.0  # seconds between sheets of samples; 0: none
    device: str = "cpu"


RECIPES: dict[str, dict[str, Recipe]] = {
    "kirie": {
        "cpu": Recipe(
            vae_budget=Budget(minutes=45),
            reading_budget=Budget(steps=800),
            budget=Budget(minutes=240),
            polish_budget=Budget(minutes=30),
            rate=6e-4,
        ),
        "cuda": Recipe(
            pictures=100_000,
            vae=LARGE_VAE,
            unet=LARGE_UNET,
            text_heads=6,
            vae_budget=Budget(minutes=4),
            vae_batch=64,
            vae_rate=1e-3,
            reading_budget=Budget(steps=800),
            budget=Budget(minutes=12),
            polish_budget=Budget(minutes=1),
            batch=512,
            rate=1e-3,
            average=0.9995,
            save_every=60.0,
            sheet_every=120.0,
            device="cuda",
        ),
    }
}


def recipe(name: str, device: str | None = None) -> Recipe:
    """The recipe of that name for a device, e.g. "cpu" or "cuda:1"; None takes CUDA where there is one.

    Raises ValueError naming what is known.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; known: {', '.join(RECIPES)}")
    kinds = RECIPES[name]
    kind = torch.device(device).type
    if kind not in kinds:
        raise ValueError(f"recipe {name} has nothing for the device {device!r}; it is for {' or '.join(kinds)}")
    return replace(kinds[kind], device=device)
