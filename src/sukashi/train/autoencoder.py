"""Train a small autoencoder on drawings, then make its latents what Stable Diffusion's are.

Rombach et al. 2022, arXiv:2112.10752, sec. 3.1, without the adversarial and perceptual terms: flat paper needs neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.nets.vae import VAE
from sukashi.train.pictures import Pictures
from sukashi.train.run import Log, Run, cosine, generator


class AutoencoderLoss(NamedTuple):
    """``total`` is what is minimised; the others are its terms before weighting."""

    total: Tensor
    pixels: Tensor
    squares: Tensor
    edges: Tensor
    kl: Tensor


def autoencoder_loss(
    vae: VAE,
    image: Tensor,
    noise: Tensor,
    *,
    square: float = 3.0,
    edge: float = 0.5,
    kl: float = 1e-5,
    rough: float = 0.05,
) -> AutoencoderLoss:
    """L1 + ``square`` x MSE + ``edge`` x L1 of pixel differences + ``kl`` x KL per latent number.

    image (B, 3, H, W), noise (B, C, h, w). The squares matter: absolute errors alone are content with leaving out
    what is small, because flat paper around it is the median. ``rough`` is the noise that the decoder must bear at
    least, as a share of each channel's spread: a U-Net's latents are never exact.
    """
    mean, std = vae.posterior(image)
    spread = mean.detach().std((0, 2, 3), keepdim=True)
    latent = mean + (std.square() + (rough * spread).square()).sqrt() * noise
    shown = vae.decode(latent * vae.config.scale)
    pixels, squares = F.l1_loss(shown, image), F.mse_loss(shown, image)
    edges = F.l1_loss(shown.diff(dim=-1), image.diff(dim=-1)) + F.l1_loss(shown.diff(dim=-2), image.diff(dim=-2))
    divergence = 0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).mean()
    total = pixels + square * squares + edge * edges + kl * divergence
    return AutoencoderLoss(total, pixels, squares, edges, divergence)


def train_autoencoder(vae: VAE, pictures: Pictures, run: Run, *, batch: int, rate: float, seed: int, log: Log) -> None:
    """Train to the end of the run's budget; ``run.parts`` must hold the optimiser as "optimizer".

    Weights that need no gradient stay as they are: with a frozen encoder only the decoder is polished, and a U-Net
    trained on the latents remains valid.
    """
    optimizer: torch.optim.Optimizer = run.parts["optimizer"]
    trained = [weight for weight in vae.parameters() if weight.requires_grad]
    device = next(vae.parameters()).device
    vae.train()
    for step, spent in run:
        g = generator(seed, step)
        image = pictures.images(torch.randint(len(pictures), (batch,), generator=g).tolist())
        side = image.shape[-1] // vae.config.factor
        noise = torch.randn(batch, vae.config.latent_channels, side, side, generator=g)
        for group in optimizer.param_groups:
            group["lr"] = cosine(rate, step, spent)
        image = image.to(device, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            loss = autoencoder_loss(vae, image, noise.to(device))
        optimizer.zero_grad()
        loss.total.backward()  # type: ignore[no-untyped-call]  # torch has no annotation there
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if step % 50 == 0:
            log(f"vae {step} {spent:.1%} L1 {loss.pixels:.4f} MSE {loss.squares:.4f} edges {loss.edges:.4f}")
    vae.eval()


def freeze_encoder(vae: VAE) -> list[nn.Parameter]:
    """Keep the encoder, and hence the latents, as they are; returns the weights that are still trained."""
    for name, weight in vae.named_parameters():
        weight.requires_grad_(name.startswith(("decoder.", "post_quant_conv.")))
    return [weight for weight in vae.parameters() if weight.requires_grad]


def batches(count: int, size: int) -> Iterator[range]:
    """0..count-1 in ranges of at most ``size``."""
    for k in range(0, count, size):
        yield range(k, min(k + size, count))


@torch.no_grad()
def encode_all(vae: VAE, pictures: Pictures, *, batch: int = 32) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (N, C, h, w) of every picture's unscaled latent, in float16."""
    device = next(vae.parameters()).device
    found = (vae.posterior(pictures.images(which).to(device)) for which in batches(len(pictures), batch))
    means, stds = zip(*((mean.half(), std.half()) for mean, std in found), strict=True)
    return torch.cat(means), torch.cat(stds)


@torch.no_grad()
def standardize(vae: VAE, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Rescale the latents' channels to mean 0 and standard deviation 1 / ``config.scale``, and undo it in the decoder.

    ``mean`` (N, C, h, w) is a sample of unscaled latents. Only the two 1x1 convolutions change; the pictures do not.
    Returns the shift and the factor (C,) that were applied: new = (old - shift) * factor.
    """
    values = mean.float()
    shift, factor = values.mean((0, 2, 3)), 1 / (values.std((0, 2, 3)) * vae.config.scale)
    n, before, after = vae.config.latent_channels, vae.quant_conv, vae.post_quant_conv
    assert before.bias is not None and after.bias is not None
    before.weight[:n].mul_(factor[:, None, None, None])
    before.bias[:n].sub_(shift).mul_(factor)
    before.bias[n:].add_(2 * factor.log())
    after.bias.add_(after.weight[:, :, 0, 0] @ shift)
    after.weight.div_(factor[None, :, None, None])
    return shift, factor


@torch.no_grad()
def psnr(vae: VAE, image: Tensor) -> float:
    """Mean peak signal-to-noise ratio in dB of reconstructing ``image`` (B, 3, H, W)."""
    image = image.to(next(vae.parameters()).device)
    error = (vae.decode(vae.encode(image)).clamp(-1, 1) - image) / 2
    return float((-10 * error.square().mean((1, 2, 3)).log10()).mean())
