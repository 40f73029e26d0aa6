"""TAESD: a tiny autoencoder for the latents of the big ones, for previews and fast decoding.

Bohan 2023, https://github.com/madebyollin/taesd. Attribute names are those of diffusers' AutoencoderTiny. Its latents
are already scaled: they are what a U-Net sees. B batch, H W image height and width, h w = H/8 W/8, C = 64 channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.nets.vae import VAEConfig

C = 64

CONFIG = VAEConfig(channels=(C,) * 4, scale=1.0, mid_attention=False, quant_conv=False, post_quant_conv=False)


class Block(nn.Module):
    """Three convolutions and a shortcut: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(conv(C), nn.ReLU(), conv(C), nn.ReLU(), conv(C))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) + x)


def conv(in_ch: int, out_ch: int = C, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size, or halves it with ``stride`` 2."""
    return nn.Conv2d(in_ch, out_ch, 3, stride=stride, padding=1, bias=bias)


class Stack(nn.Module):
    """Layers one after another, under the name that checkpoints give them."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class TAESD(nn.Module):
    """Turn images in [-1, 1] into latents and back: 2.4 million parameters where the full autoencoder has 84."""

    def __init__(self, latent_channels: int = 4) -> None:
        super().__init__()
        self.config = replace(CONFIG, latent_channels=latent_channels)
        down = [layer for _ in range(3) for layer in (conv(C, stride=2, bias=False), Block(), Block(), Block())]
        self.encoder = Stack([conv(3), Block(), *down, conv(C, latent_channels)])
        up: list[nn.Module] = []
        for _ in range(3):
            up += [Block(), Block(), Block(), nn.Upsample(scale_factor=2), conv(C, bias=False)]
        self.decoder = Stack([conv(latent_channels), nn.ReLU(), *up, Block(), conv(C, 3)])

    def posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """As ``VAE.posterior``: the latent, and a deviation of nothing, for it is not a distribution."""
        latent = self.encode(image)
        return latent, torch.zeros_like(latent)

    def encode(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """Image (B, 3, H, W) in [-1, 1] -> latent (B, 4, h, w); ``noise`` is without effect (see ``posterior``)."""
        return self.encoder(image / 2 + 0.5)

    def decode(self, latent: Tensor) -> Tensor:
        """Latent (B, 4, h, w) -> image (B, 3, H, W) about [-1, 1]; values beyond 3 are squeezed, as it was trained."""
        return self.decoder(torch.tanh(latent / 3) * 3) * 2 - 1
