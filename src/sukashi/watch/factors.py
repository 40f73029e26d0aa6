"""Latents as colours by one matrix: red, green and blue of a cell as a weighted sum of its channels.

A matrix belongs to one autoencoder. kirie's was fitted here; those of Stable Diffusion are published; for any other
autoencoder it is fitted when it is wanted. ``sukashi show preview`` fits, and says how large the error is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.nets.vae import VAE

PICTURES = 64  # of kirie's world that a matrix is fitted on
BATCH = 32


@dataclass(frozen=True)
class Factors:
    """Image = latent . rows + bias, in [-1, 1]: ``rows`` has one row (red, green, blue) for each latent channel.

    ``source`` says where they are from; ``r2`` is the share of the colours' variance that they explain and ``error``
    the root mean square that is left, of 255, both against the mean colour of each cell; None where nobody said.
    """

    rows: Sequence[Sequence[float]]
    bias: Sequence[float]
    source: str
    r2: float | None = None
    error: float | None = None

    def __call__(self, latents: Tensor) -> Tensor:
        """Latents (B, C, h, w) -> images (B, 3, h, w) in [0, 1]."""
        rows, bias = (torch.tensor(values, dtype=torch.float32) for values in (self.rows, self.bias))
        colours = torch.einsum("bchw,cr->brhw", latents.detach().float().cpu(), rows) + bias[:, None, None]
        return (colours / 2 + 0.5).clamp(0, 1)


KIRIE = Factors(
    rows=((0.4042, 0.0458, -0.064), (0.0901, 0.3282, 0.058), (0.0477, 0.1002, 0.43), (-0.0187, 0.0096, -0.0195)),
    bias=(0.407, 0.3643, 0.3248),
    source="kirie's, fitted on 512 pictures of its world; the error is of 128 others",
    r2=0.9627,
    error=11.3,
)
SD = Factors(
    rows=((0.3512, 0.2297, 0.3227), (0.3250, 0.4974, 0.2350), (-0.2829, 0.1762, 0.2721), (-0.2120, -0.2616, -0.7177)),
    bias=(0.0, 0.0, 0.0),
    source="Stable Diffusion 1 and 2, as published in ComfyUI's latent_formats",
)
SDXL = Factors(
    rows=((0.3651, 0.4232, 0.4341), (-0.2533, -0.0042, 0.1068), (0.1076, 0.1111, -0.0362), (-0.3165, -0.2492, -0.2188)),
    bias=(0.1084, -0.0175, -0.0011),
    source="Stable Diffusion XL, as published in ComfyUI's latent_formats",
)
KIRIE_MARK = "26de7c3b16"
"""``mark`` of kirie's autoencoder."""


def known(vae: VAE) -> Factors | None:
    """The numbers there are for an autoencoder, by its weights (kirie) or by its shape and scale (the published)."""
    config = vae.config
    if mark(vae) == KIRIE_MARK:
        return KIRIE
    if tuple(config.channels) == (128, 256, 512, 512) and config.latent_channels == 4:
        return {0.18215: SD, 0.13025: SDXL}.get(round(config.scale, 5))
    return None


def mark(vae: VAE) -> str:
    """Ten digits that tell one autoencoder from another, in any precision that holds float16."""
    weight = next(vae.decoder.parameters()).detach().half().cpu().contiguous()
    return hashlib.sha256(weight.numpy().tobytes()).hexdigest()[:10]


def fit(vae: VAE, pictures: int = PICTURES, first: int = 0) -> Factors:
    """Least squares on pictures of kirie's world: the mean colour of every cell from its latent and a constant.

    Raises ValueError for fewer than 8 pictures.
    """
    if pictures < 8:
        raise ValueError(f"{pictures} pictures to fit on; at least 8 are accepted")
    latents, colours = pairs(vae, pictures, first)
    ones = torch.cat([latents, torch.ones(len(latents), 1)], dim=1)
    found = torch.linalg.lstsq(ones.double(), colours.double()).solution  # (C + 1, 3)
    r2, error = quality(ones.double() @ found, colours.double())
    rows = [[round(float(value), 4) for value in row] for row in found]
    return Factors(rows[:-1], rows[-1], f"fitted on {pictures} pictures of kirie's world", r2, error)


def measured(factors: Factors, vae: VAE, pictures: int = PICTURES, first: int = 100_000) -> Factors:
    """The same numbers, with what they explain of pictures of kirie's world that nothing was fitted on."""
    latents, colours = pairs(vae, pictures, first)
    guess = latents @ torch.tensor(factors.rows) + torch.tensor(factors.bias)
    r2, error = quality(guess, colours)
    return replace(factors, r2=r2, error=error)


def pairs(vae: VAE, pictures: int, first: int) -> tuple[Tensor, Tensor]:
    """Every cell of so many pictures: its latent (N, C) and its mean colour (N, 3) in [-1, 1]."""
    from sukashi.kirie.world import sample
    from sukashi.pictures import to_tensor

    weight, found = next(vae.parameters()), []
    for k in range(0, pictures, BATCH):
        some = range(first + k, first + min(k + BATCH, pictures))
        images = torch.cat([to_tensor(sample(seed).picture) for seed in some]) * 2 - 1
        with torch.no_grad():
            latents = vae.encode(images.to(weight)).float().cpu()
        colours = F.interpolate(images, size=latents.shape[2:], mode="area")
        found.append((latents.movedim(1, 3).flatten(0, 2), colours.movedim(1, 3).flatten(0, 2)))
    return torch.cat([pair[0] for pair in found]), torch.cat([pair[1] for pair in found])


def quality(guess: Tensor, colours: Tensor) -> tuple[float, float]:
    """How well (N, 3) colours in [-1, 1] are met: R squared, and the root mean square error of 255."""
    wrong = (guess - colours).square()
    r2 = 1 - wrong.sum() / (colours - colours.mean(dim=0)).square().sum()
    return round(float(r2), 4), round(float(wrong.mean().sqrt()) * 127.5, 2)
