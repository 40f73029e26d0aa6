"""How much memory there is, and how much an autoencoder needs: what does not fit is computed in tiles, and said so."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction

import torch
from torch import Tensor

from sukashi.nets.vae import VAE, VAEConfig
from sukashi.tiles import tiled

PLANES = 5  # feature maps of the widest full-size layer that are alive at once, as measured (docs/decisions.md)
TILE, OVERLAP = 64, 16  # latent cells; a tile is as large as a picture the model was trained on
SPARE = 0.9  # share of the free memory that may be used


def free(device: torch.device) -> int | None:
    """Bytes that can still be had on a device; None where nobody knows."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    if device.type != "cpu" or not hasattr(os, "sysconf"):
        return None
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            kilobytes = next((line.split()[1] for line in file if line.startswith("MemAvailable")), None)
        return int(kilobytes) * 1024 if kilobytes else None
    except OSError:
        return None


def needed(config: VAEConfig, pixels: int, itemsize: int) -> int:
    """Bytes that decoding or encoding one picture of so many pixels takes beside the weights, roughly."""
    widest = config.channels[min(1, len(config.channels) - 1)]
    return PLANES * widest * pixels * itemsize


def decode(vae: VAE, z: Tensor, notes: list[str], available: int | None = None) -> Tensor:
    """``vae.decode`` of latents (B, C, h, w): all at once, or one by one, or in tiles, as memory allows."""
    return thrifty(vae.decode, vae, z, Fraction(vae.config.factor), notes, available)


def moments(vae: VAE, images: Tensor, notes: list[str], available: int | None = None) -> Tensor:
    """``vae.posterior`` of images (B, 3, H, W), mean and deviation (B, 2 C, h, w), as memory allows."""
    net = lambda part: torch.cat(vae.posterior(part), dim=1)  # noqa: E731
    return thrifty(net, vae, images, Fraction(1, vae.config.factor), notes, available)


def thrifty(
    net: Callable[[Tensor], Tensor], vae: VAE, x: Tensor, scale: Fraction, notes: list[str], available: int | None
) -> Tensor:
    """``net``, which makes x (B, ...) ``scale`` times as large: at once where what is ``needed`` is ``available``
    (None: asked of the device), else in portions.
    """
    there = free(x.device) if available is None else available
    pixels = int(x.shape[2] * x.shape[3] * max(scale, Fraction(1)) ** 2)
    tile = int(TILE / min(scale, Fraction(1)))
    one = needed(vae.config, pixels, x.element_size())
    if there is None or one * len(x) <= SPARE * there:
        return net(x)
    rows = [x[k : k + 1] for k in range(len(x))]
    if one <= SPARE * there or max(x.shape[2:]) <= tile:
        note = f"the autoencoder took {len(x)} pictures one by one: {amount(one * len(x))} of {amount(there)} free"
    else:
        note = f"the autoencoder worked in tiles: the whole needs {amount(one)} of {amount(there)} free"
        overlap = OVERLAP * tile // TILE
        whole, net = net, lambda part: tiled(whole, part, tile, overlap, scale)
    notes += [note] if note not in notes else []
    return torch.cat([net(row) for row in rows])


def amount(count: int) -> str:
    """Bytes for people."""
    return f"{count / 2**30:.1f} GiB"
