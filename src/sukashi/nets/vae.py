"""The autoencoder between pixels and latents (Rombach et al. 2022, arXiv:2112.10752, sec. 3.1 and app. G).

Names are those of a diffusers ``vae/`` folder. B batch, H W image height and width, h w = H/8 W/8 (H/4 W/4 for the x4
upscaler's three-level VAE).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class VAEConfig:
    """What differs between the autoencoders of the Stable Diffusion families."""

    channels: Sequence[int] = (128, 256, 512, 512)
    resnets: int = 2
    latent_channels: int = 4
    image_channels: int = 3
    scale: float = 0.18215  # makes latents unit variance; 0.13025 for SDXL, 0.08333 for the x4 upscaler
    groups: int = 32  # of every GroupNorm
    mid_attention: bool = True
    quant_conv: bool = True  # a 1x1 convolution after the encoder
    post_quant_conv: bool = True  # a 1x1 convolution before the decoder
    force_upcast: bool = False  # decode in float32 whatever the rest runs in (the SDXL autoencoder overflows float16)

    @property
    def factor(self) -> int:
        """Pixels per latent cell and side: 8, or 4 for the x4 upscaler."""
        return 2 ** (len(self.channels) - 1)


class Resnet(nn.Module):
    """(B, C, H, W) -> (B, C', H, W)."""

    def __init__(self, in_ch: int, out_ch: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_ch, eps=1e-6)
        self.conv1 = nn.Conv2d(in_ch, out_ch, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, out_ch, eps=1e-6)
        self.conv2 = nn.Conv2d(out_ch, out_ch, 3, padding=1)
        if in_ch != out_ch:
            self.conv_shortcut = nn.Conv2d(in_ch, out_ch, 1)
        self.widens = in_ch != out_ch

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.conv2(F.silu(self.norm2(h)))
        if self.widens:
            x = self.conv_shortcut(x.contiguous())  # memory layout decides the last bits: as diffusers has it
        return x + h


class SelfAttention(nn.Module):
    """One-head attention over all pixels: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, ch: int, groups: int) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, ch, eps=1e-6)
        self.to_q, self.to_k, self.to_v = nn.Linear(ch, ch), nn.Linear(ch, ch), nn.Linear(ch, ch)
        self.to_out = nn.ModuleList([nn.Linear(ch, ch)])

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)  # (B, H*W, C)
        q, k, v = (f(tokens)[:, None] for f in (self.to_q, self.to_k, self.to_v))
        h = self.to_out[0](F.scaled_dot_product_attention(q, k, v)[:, 0])
        return h.transpose(1, 2).view_as(x) + x


class Mid(nn.Module):
    """Resnet, attention, resnet at the coarsest size."""

    def __init__(self, ch: int, config: VAEConfig) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([Resnet(ch, ch, config.groups), Resnet(ch, ch, config.groups)])
        self.attentions = nn.ModuleList([SelfAttention(ch, config.groups)] if config.mid_attention else [])

    def forward(self, x: Tensor) -> Tensor:
        x = self.resnets[0](x)
        for attention in self.attentions:
            x = attention(x)
        return self.resnets[1](x)


class Downsample(nn.Module):
    """Halve the size. The pad is on the right and bottom only, as the model was trained."""

    def __init__(self, ch: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(ch, ch, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double the size."""

    def __init__(self, ch: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(ch, ch, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Stage(nn.Module):
    """Resnets at one size, then a resampling when ``resample`` names one."""

    def __init__(self, in_ch: int, out_ch: int, resnets: int, groups: int, resample: str | None) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(in_ch if i == 0 else out_ch, out_ch, groups) for i in range(resnets))
        if resample:
            layer = {"downsamplers": Downsample, "upsamplers": Upsample}[resample]
            self.add_module(resample, nn.ModuleList([layer(out_ch)]))

    def forward(self, x: Tensor) -> Tensor:
        for layers in self.children():
            for layer in layers.children():
                x = layer(x)
        return x


class Encoder(nn.Module):
    """Image (B, 3, H, W) in [-1, 1] -> mean and log-variance (B, 2 * latent_channels, h, w)."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        ch = config.channels
        self.conv_in = nn.Conv2d(config.image_channels, ch[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            Stage(above, here, config.resnets, config.groups, "downsamplers" if i < len(ch) - 1 else None)
            for i, (above, here) in enumerate(pairwise((ch[0], *ch)))
        )
        self.mid_block = Mid(ch[-1], config)
        self.conv_norm_out = nn.GroupNorm(config.groups, ch[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(ch[-1], 2 * config.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for block in self.down_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(self.mid_block(x))))


class Decoder(nn.Module):
    """Latent (B, latent_channels, h, w) -> image (B, 3, H, W) about [-1, 1]."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        ch = tuple(reversed(config.channels))
        self.conv_in = nn.Conv2d(config.latent_channels, ch[0], 3, padding=1)
        self.mid_block = Mid(ch[0], config)
        self.up_blocks = nn.ModuleList(
            Stage(above, here, config.resnets + 1, config.groups, "upsamplers" if i < len(ch) - 1 else None)
            for i, (above, here) in enumerate(pairwise((ch[0], *ch)))
        )
        self.conv_norm_out = nn.GroupNorm(config.groups, ch[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(ch[-1], config.image_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(self.conv_in(x))
        for block in self.up_blocks:
            x = block(x)
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class VAE(nn.Module):
    """Turn images in [-1, 1] into scaled latents and back."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config, n = config, config.latent_channels
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        if config.quant_conv:
            self.quant_conv = nn.Conv2d(2 * n, 2 * n, 1)
        if config.post_quant_conv:
            self.post_quant_conv = nn.Conv2d(n, n, 1)

    def posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Image (B, 3, H, W) -> mean and standard deviation (B, C, h, w) of the latent before scaling."""
        moments = self.encoder(image)
        if self.config.quant_conv:
            moments = self.quant_conv(moments)
        mean, log_var = moments.chunk(2, dim=1)
        return mean, (log_var.clamp(-30, 20) / 2).exp()

    def encode(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """Image (B, 3, H, W) -> latent (B, C, h, w): the mean, or a sample when ``noise`` (B, C, h, w) is given."""
        mean, std = self.posterior(image)
        if noise is not None:
            mean = mean + std * noise.to(mean)
        return mean * self.config.scale

    def decode(self, latent: Tensor) -> Tensor:
        """Latent (B, C, h, w) -> image (B, 3, H, W)."""
        latent = latent / self.config.scale
        if self.config.post_quant_conv:
            latent = self.post_quant_conv(latent)
        return self.decoder(latent)
