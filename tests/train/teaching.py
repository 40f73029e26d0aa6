"""Pictures to learn from, and diffusers' and transformers' networks doing the arithmetic of diffusers' scripts."""

from __future__ import annotations

import copy
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from sukashi.train.data.examples import Example, Examples
from sukashi.train.methods.config import Config
from sukashi.train.run import generator
from sukashi.weights.parts import Parts
from sukashi.weights.save import save_folder

sys.path.append(str(Path(__file__).parents[1]))
from tiny_models import tiny_model

PLAIN = {"device": "cpu", "optimizer": "sgd", "weight_decay": 0.0, "max_norm": 0.0, "save_every": 0, "size": 32}


@cache
def strong(name: str) -> Parts:
    """The tiny model, its matrices scaled so that every layer matters."""
    parts = tiny_model(name)
    nets = copy.deepcopy((parts.unet, parts.vae, parts.text_encoders))
    for net in (nets[0], nets[1], *nets[2]):
        for key, weight in net.named_parameters():
            weight.mul_(5 / (weight.numel() / len(weight)) ** 0.5) if weight.ndim > 1 else None
            weight.add_(1) if key.endswith("weight") and weight.ndim == 1 else None
    return replace(parts, unet=nets[0], vae=nets[1], text_encoders=nets[2])


def pictures(count: int = 3, caption: str = "cat", prior: bool = False, first: int = 0) -> list[Example]:
    """Noise in colours, each another."""
    made = []
    for k in range(first, first + count):
        values = torch.randint(0, 256, (40, 32, 3), generator=torch.Generator().manual_seed(k), dtype=torch.uint8)
        made.append(Example(None, caption, prior=prior, picture=Image.fromarray(values.numpy())))
    return made


def some(caption: str = "cat") -> Examples:
    """Three pictures with one caption."""
    return Examples(pictures(caption=caption))


def theirs(parts: Parts) -> Any:
    """diffusers' pipeline of a model, read from a folder that we write; everything in it may be changed."""
    diffusers = pytest.importorskip("diffusers")
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    diffusers.utils.logging.disable_progress_bar()
    xl = len(parts.text_encoders) == 2
    absent = {"safety_checker": None, "feature_extractor": None, "image_encoder": None}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_folder(parts, Path(folder) / "model")
        kind = diffusers.StableDiffusionXLPipeline if xl else diffusers.StableDiffusionPipeline
        pipe = kind.from_pretrained(Path(folder) / "model", **({} if xl else absent))
    pipe.set_progress_bar_config(disable=True)
    for net in (pipe.unet, pipe.vae, pipe.text_encoder):
        net.requires_grad_(False)
    return pipe


def told(pipe: Any, captions: list[str], sizes: Any) -> dict[str, Any]:
    """What the U-Net is told, as ``train_text_to_image.py`` and ``train_text_to_image_sdxl.py`` have it."""

    def ids(tokenizer: Any) -> Any:
        return tokenizer(
            captions, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
        ).input_ids

    if not hasattr(pipe, "text_encoder_2"):
        return {"encoder_hidden_states": pipe.text_encoder(ids(pipe.tokenizer))[0]}
    states = [
        encoder(ids(tokenizer), output_hidden_states=True)
        for tokenizer, encoder in ((pipe.tokenizer, pipe.text_encoder), (pipe.tokenizer_2, pipe.text_encoder_2))
    ]
    context = torch.cat([state.hidden_states[-2] for state in states], dim=-1)
    numbers = torch.cat(list(sizes), dim=1).float()  # original, crop, target
    return {
        "encoder_hidden_states": context,
        "added_cond_kwargs": {"text_embeds": states[1][0], "time_ids": numbers},
    }


def their_loss(
    pipe: Any, examples: Examples, config: Config, number: int, say: Callable[[str, float], str] = lambda text, _: text
) -> torch.Tensor:
    """The loss of pass ``number`` from diffusers' networks and scheduler; the same random numbers in the same order."""
    from diffusers import DDPMScheduler
    from diffusers.training_utils import compute_snr

    batch = examples.batches(config.seed, config.batch, config.size or 32, flip=config.flip or 0.0)(number)
    g = generator(config.seed, number)
    posterior = pipe.vae.encode(batch.pixels).latent_dist
    latents = posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=g)
    latents = latents * pipe.vae.config.scaling_factor
    chances, _ = torch.rand(2, len(latents), generator=g).tolist()
    captions = [c if p else say(c, x) for c, p, x in zip(batch.captions, batch.prior.tolist(), chances, strict=True)]
    noise = torch.randn(latents.shape, generator=g)
    if config.noise_offset:
        noise = noise + config.noise_offset * torch.randn(*latents.shape[:2], 1, 1, generator=g)
    scheduler = DDPMScheduler.from_config(pipe.scheduler.config, rescale_betas_zero_snr=config.zero_snr)
    t = torch.randint(0, scheduler.config.num_train_timesteps, (len(latents),), generator=g)
    answer = pipe.unet(scheduler.add_noise(latents, noise, t), t, **told(pipe, captions, batch.sizes)).sample
    v = scheduler.config.prediction_type == "v_prediction"
    target = scheduler.get_velocity(latents, noise, t) if v else noise
    if config.snr_gamma is not None:
        snr = compute_snr(scheduler, t)
        weights = torch.stack([snr, config.snr_gamma * torch.ones_like(t)], dim=1).min(dim=1)[0]
        weights = weights / (snr + 1) if v else weights / snr
        each = F.mse_loss(answer.float(), target.float(), reduction="none")
        return (each.mean(dim=[1, 2, 3]) * weights).mean()
    if batch.prior.any():
        answer, answer_prior = answer.chunk(2)
        target, target_prior = target.chunk(2)
        prior_loss = F.mse_loss(answer_prior.float(), target_prior.float())
        return F.mse_loss(answer.float(), target.float()) + config.prior_weight * prior_loss
    return F.mse_loss(answer.float(), target.float())


def their_steps(
    weights: list[torch.Tensor], rate: float, steps: int, loss: Callable[[int], torch.Tensor]
) -> list[float]:
    """Plain gradient descent on ``weights`` in place; the loss of every step."""
    said = []
    for step in range(steps):
        value = loss(step)
        gradients = torch.autograd.grad(value, weights, allow_unused=True)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= 0 if gradient is None else rate * gradient
        said.append(value.item())
    return said


def log_of(folder: Path) -> list[dict[str, float]]:
    """What the journal has noted."""
    import json

    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
