"""Smooth stand-ins for a U-Net, and the shortest ways to run our samplers and diffusers' on them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Denoise, Level, Prediction

WEIGHT = torch.randn(4, 4, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 0.15
START = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))  # (B, C, H, W)
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def raw(x: Tensor, t: float) -> Tensor:
    """A U-Net's output: smooth in x (B, 4, H, W) and in t, computed in float64."""
    y = torch.nn.functional.conv2d(x.double(), WEIGHT, padding=1)
    return (torch.tanh(y + float(t) / 1000) * 0.9 + 0.1 * x.double()).to(x.dtype)


def read(kind: str, x: Tensor, out: Tensor, level: Level) -> Prediction:
    """What an output means, x and out in the same coordinates."""
    a, s = level.alpha, level.sigma
    if kind == "v_prediction":
        return Prediction(a * x - s * out, a * out + s * x)
    if kind == "sample":
        return Prediction(out, (x - a * out) / s)
    return Prediction((x - s * out) / a, out)


def fake_denoiser(kind: str) -> Denoise:
    """The stand-in as a denoiser."""
    return lambda x, level: read(kind, x, raw(x, level.t), level)


def oracle(x0: Tensor) -> Denoise:
    """A model that knows the picture."""

    def denoise(x: Tensor, level: Level) -> Prediction:
        assert level.sigma > 0, "a model was asked about a clean latent"
        return Prediction(x0.expand_as(x), (x - level.alpha * x0) / level.sigma)

    return denoise


def draws(x: Tensor, seed: int = 5) -> Callable[[], Tensor]:
    """Noise as diffusers draws it on the CPU: float32, one tensor after the other."""
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(x.shape, generator=generator).to(x.dtype)


def sample(plan: Plan, n: int, denoise: Denoise | None = None, *, first: int = 0, x: Tensor | None = None) -> Tensor:
    """Run a plan from START in float64 and return the last x."""
    levels = plan.levels(n)
    x = START.double() * plan.start_scale(levels) if x is None else x
    *_, step = plan.run(denoise or fake_denoiser(plan.schedule.predicts), x, levels, draws(x), first)
    return step.x_next


def diffusers_sample(scheduler: Any, n: int, *, first: int = 0, x: Tensor | None = None) -> Tensor:
    """The loop of diffusers' pipelines, in float32; from ``first`` on as its image-to-image pipelines do."""
    scheduler.set_timesteps(n)
    timesteps = scheduler.timesteps[first * scheduler.order :]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(first * scheduler.order)
    x = START * scheduler.init_noise_sigma if x is None else x
    generator = torch.Generator().manual_seed(5)
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    for t in timesteps:
        out = raw(scheduler.scale_model_input(x, t), float(t))
        x = scheduler.step(out, t, x, **({"generator": generator} if takes_generator else {})).prev_sample
    return x
