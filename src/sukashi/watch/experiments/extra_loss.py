"""Guidance with a loss of one's own: "bluer", through the gradient of what the model thinks the picture will be.

The denoiser is wrapped. Where the model predicts x0 from x, its decoded picture is scored by a loss, and the prediction
is moved down the gradient as classifier guidance does (Dhariwal & Nichol 2021, arXiv:2105.05233, alg. 2):
eps' = eps + sigma w dloss/dx, x0' = (x - sigma eps') / alpha. fast.ai's course ("Deep Dive", part 2) does the same with
the gradient through the decoder alone, which is cheaper: dloss/dx is then (dloss/dx0) / alpha.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sukashi.beginning import Beginning, Task
from sukashi.diffusion.noise import per_picture
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Denoise, Level, Prediction
from sukashi.settings import Settings
from sukashi.tasks.driving import perform
from sukashi.watch.experiments.found import Found
from sukashi.watch.experiments.measure import change, facts, pixels

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

Loss = Callable[[Tensor], Tensor]
"""Images (B, 3, H, W) about [0, 1] -> one number for each, (B,)."""

COLOURS = {"red": 0, "green": 1, "blue": 2}
AIM = 0.9


def coloured(colour: str = "blue") -> Loss:
    """How far a colour's channel is from 0.9 on average. Raises ValueError for another colour."""
    if colour not in COLOURS:
        raise ValueError(f"the colour is {colour!r}; accepted: {', '.join(COLOURS)}")
    return lambda images: (images[:, COLOURS[colour]] - AIM).abs().mean(dim=(1, 2))


def pulled(
    denoise: Denoise, decode: Callable[[Tensor], Tensor], loss: Loss, weight: float, *, through: str = "unet"
) -> Denoise:
    """A denoiser that also goes down the gradient of ``loss``, ``weight`` times.

    ``decode`` is latents -> images about [-1, 1]. ``through`` "unet": the gradient of x0 by x, with the network's own;
    "decoder": as if eps did not depend on x. Raises ValueError for another word, and at a level without signal.
    """
    if through not in ("unet", "decoder"):
        raise ValueError(f"the gradient goes through {through!r}; accepted: unet, decoder")

    def wrapped(x: Tensor, level: Level) -> Prediction:
        if not level.alpha:
            raise ValueError("a loss of the picture cannot be told at a level without signal (zero terminal SNR)")
        with torch.enable_grad():
            start = x.detach().requires_grad_()
            if through == "unet":
                p = denoise(start, level)
                x0 = p.x0
            else:
                with torch.no_grad():
                    p = denoise(x, level)
                x0 = (start - level.sigma * p.eps) / level.alpha
            score = loss(decode(x0) / 2 + 0.5)
            (gradient,) = torch.autograd.grad(score.sum(), start)
        eps = (p.eps + level.sigma * weight * gradient).detach()
        parts = {name: part.detach() for name, part in p.parts.items()}
        return Prediction((x - level.sigma * eps) / level.alpha, eps, parts)

    return wrapped


def loss(
    pipe: Pipeline,
    prompt: str = "a boy in the forest",
    *,
    colour: str = "blue",
    weights: Sequence[float] = (0.0, 100.0, 300.0, 1000.0),
    through: str = "decoder",
    seeds: Sequence[int] = (1, 2),
    **options: Any,
) -> Found:
    """Draw a prompt with more and more of a loss that wants one colour. Options are the fields of ``Settings``.

    Through the U-Net the gradient is the exact one, a step costs about three times as much, and where there is most
    noise x0 hardly depends on x, so that the weights must be far larger.
    """
    wish = coloured(colour)

    def prepare(weight: float) -> Any:
        def ready(pipe: Pipeline, asked: Settings, drawn: Sequence[int], plan: Plan, notes: list[str]) -> Task:
            width, height, n, _ = asked.numbers()
            shape, levels = pipe.latent_shape(width, height), plan.levels(n)

            def wrap(denoise: Denoise) -> Denoise:
                decode = lambda z: pipe.vae.decode(z.to(pipe.dtype)).float()  # noqa: E731
                return pulled(denoise, decode, wish, weight, through=through)

            def begin() -> Beginning:
                noise = per_picture(drawn, shape, asked.rng, pipe.device)
                return Beginning(x=noise() * plan.start_scale(levels), noise=noise, wrap=wrap if weight else None)

            how: dict[str, Any] = {"levels": levels, "first": 0, "last": n, "calls": plan.calls(n)}
            return Task(name="extra-loss", begin=begin, options=[{"weight": weight}] * len(drawn), **how)

        return ready

    results = [
        [perform(pipe, prompt, prepare(weight), iter, seed=seed, **options) for weight in weights] for seed in seeds
    ]
    sheet = [[result.images[0] for result in row] for row in results]
    rows = []
    for k, weight in enumerate(weights):
        column = [row[k] for row in sheet]
        colours = sum(pixels(picture).mean(axis=(0, 1)) for picture in column) / len(column)
        rows.append(
            {"weight": float(weight)}
            | {name: float(colours[c]) for name, c in COLOURS.items()}
            | {"change of 255": sum(change(row[k], row[0]) for row in sheet) / len(sheet)}
            | {"seconds": round(sum(row[k].seconds for row in results) / len(results), 2)}
        )
    return Found(
        name="loss",
        title=f"{prompt!r} with a loss that wants {colour} at {AIM}, through the {through}; colours are means of 255",
        facts=facts(pipe, results[0][0], seeds=list(seeds), through=through),
        rows=rows,
        pictures=sheet,
        above=[f"weight {weight:g}" for weight in weights],
        beside=[f"seed {seed}" for seed in seeds],
    )
