"""Pictures into latents, and the random numbers of a task in the order that diffusers draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from sukashi.diffusion.noise import of_any_shape
from sukashi.memory import moments
from sukashi.pipeline import Pipeline
from sukashi.precision import guarded
from sukashi.settings import Settings

Draw = Callable[[Sequence[int]], Tensor]  # the shape of one picture's noise -> noise of the batch


def images_of(pictures: Sequence[Image.Image]) -> Tensor:
    """RGB pictures of one size -> (B, 3, H, W) in [-1, 1]."""
    stacked = np.stack([np.asarray(picture.convert("RGB"), dtype=np.float32) for picture in pictures])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2) / 127.5 - 1


class Posterior:
    """What the autoencoder makes of images: a distribution over scaled latents (B, C, h, w)."""

    def __init__(self, pipe: Pipeline, images: Tensor, notes: list[str]) -> None:
        """Encode images (B, 3, H, W) in [-1, 1]; the same image is encoded once. Raises NumericalError."""
        both = guarded(pipe.vae, lambda vae, x: moments(pipe.quick(vae), x, notes), "autoencoder's encoder", notes)
        unique, places = torch.unique(images, dim=0, return_inverse=True)
        with torch.no_grad():
            rows = [both(row[None].to(pipe.device)).float() for row in unique]
        scale = pipe.vae.config.scale
        self.mean, self.std = (part * scale for part in torch.cat(rows)[places].chunk(2, dim=1))

    def sample(self, draw: Draw) -> Tensor:
        """A sample, as the U-Net was trained on."""
        return self.mean + self.std * draw(self.mean.shape[1:])


def source(pipe: Pipeline, asked: Settings, seeds: Sequence[int]) -> Draw:
    """Fresh generators, one per picture: a walk that begins again draws the same numbers."""
    return of_any_shape(seeds, asked.rng, pipe.device)
