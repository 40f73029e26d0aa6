"""A recipe that runs in seconds: everything as small as it can be."""

from __future__ import annotations

from sukashi.nets.unet import UNetConfig
from sukashi.nets.vae import VAEConfig
from sukashi.train.recipe import Recipe
from sukashi.train.run import Budget

TINY = VAEConfig(channels=(12, 12, 12, 12), resnets=1, groups=4, mid_attention=False)
MICRO = Recipe(
    pictures=6,
    captions=40,
    vae=TINY,
    unet=UNetConfig(
        channels=(8, 16),
        depth=(0, 1),
        heads=(1, 2),
        resnets=1,
        context_dim=16,
        cross_only=(False, False),
        linear_projection=True,
        groups=4,
    ),
    text_layers=1,
    text_heads=2,
    vae_budget=Budget(steps=2),
    reading_budget=Budget(steps=2),
    reading_batch=2,
    budget=Budget(steps=4),
    polish_budget=Budget(steps=1),
    vae_batch=1,
    batch=2,
)
