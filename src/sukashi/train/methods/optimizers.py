"""torch's optimisers by name, and the learning rate at each step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from sukashi.train.methods.config import Config
from sukashi.train.methods.taught import Taught

BY_NAME: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "radam": torch.optim.RAdam,
    "nadam": torch.optim.NAdam,
    "adafactor": torch.optim.Adafactor,
}


def optimizer_for(taught: Taught, config: Config) -> torch.optim.Optimizer:
    """One group for the U-Net, one for the text encoders; each remembers its full rate as "peak"."""
    rate = config.rate or 0.0
    text_rate = rate if config.text_rate is None else config.text_rate
    groups: list[dict[str, Any]] = [
        {"params": list(trained.values()), "lr": peak, "peak": peak}
        for trained, peak in ((taught.trained, rate), (taught.trained_text, text_rate))
        if trained
    ]
    return BY_NAME[config.optimizer](groups, lr=rate, weight_decay=config.weight_decay)


def share_of_rate(config: Config, step: int, spent: float) -> float:
    """The share of the learning rate at ``step``: up over the warm-up, then by the schedule; ``spent`` is 0..1."""
    risen = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    left = {"constant": 1.0, "linear": 1 - spent, "cosine": 0.5 + 0.5 * math.cos(math.pi * spent)}
    return risen * left[config.schedule]
