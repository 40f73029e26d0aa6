"""The U-Net that predicts noise (or velocity) in latent space.

Rombach et al. 2022, "High-Resolution Image Synthesis with Latent Diffusion Models", arXiv:2112.10752, sec. 3.

Every attribute carries the name it has in a diffusers ``unet/`` folder, so a checkpoint loads with
``load_state_dict(strict=True)`` and no renaming. Shape letters: B batch, C channels, H W latent height and width,
N = H*W image tokens, T text tokens, D width of a text token, E width of the time embedding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """What differs between the U-Nets of the Stable Diffusion families; one entry per resolution, finest first."""

    in_channels: int = 4  # 4 latent; +5 inpaint (mask, masked image); +1 depth; +3 x4 upscaler (low-res image)
    out_channels: int = 4
    channels: Sequence[int] = (320, 640, 1280, 1280)
    depth: Sequence[int] = (1, 1, 1, 0)  # transformer blocks after each resnet; 0 = no attention at this resolution
    heads: Sequence[int] = (8, 8, 8, 8)
    mid_depth: int = 1
    resnets: int = 2
    context_dim: int = 768
    cross_only: Sequence[bool] = (False, False, False, False)
    linear_projection: bool = False  # SD 2 and SDXL project tokens with Linear, SD 1 with a 1x1 Conv2d
    noise_levels: int = 0  # size of the class embedding; the x4 upscaler is told how noisy its low-res image is
    pooled_dim: int = 0  # SDXL: width of (pooled text ++ six embedded sizes)
    size_dim: int = 256
    guidance_dim: int = 0  # LCM: width of the embedded guidance scale (Luo et al. 2023, arXiv:2310.04378, sec. 4.1)
    groups: int = 32  # of every GroupNorm

    @property
    def time_dim(self) -> int:
        """Width E of the time embedding."""
        return 4 * self.channels[0]

    @property
    def skips(self) -> list[int]:
        """Channels of what the way down leaves for the way up: by conv_in, each resnet, each halving but the last."""
        return [self.channels[0], *[ch for ch in self.channels for _ in range(self.resnets + 1)][:-1]]


def sinusoid(t: Tensor, dim: int) -> Tensor:
    """Embed scalars ``t`` (B,) as cos/sin waves (B, dim) in float32 (Vaswani et al. 2017, sec. 3.5)."""
    freqs = torch.exp(-math.log(10_000) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    angles = t.float()[:, None] * freqs
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


class TimeEmbedding(nn.Module):
    """Two-layer MLP: (B, in_dim) -> (B, E)."""

    def __init__(self, in_dim: int, dim: int, guidance_dim: int = 0) -> None:
        super().__init__()
        if guidance_dim:
            self.cond_proj = nn.Linear(guidance_dim, in_dim, bias=False)
        self.linear_1 = nn.Linear(in_dim, dim)
        self.linear_2 = nn.Linear(dim, dim)

    def forward(self, t: Tensor, guidance: Tensor | None = None) -> Tensor:
        if guidance is not None:
            t = t + self.cond_proj(guidance)
        return self.linear_2(F.silu(self.linear_1(t)))


class Resnet(nn.Module):
    """Residual block told the time: x (B, C, H, W), t (B, E) -> (B, C', H, W)."""

    def __init__(self, in_ch: int, out_ch: int, time_dim: int, groups: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_ch)
        self.conv1 = nn.Conv2d(in_ch, out_ch, 3, padding=1)
        self.time_emb_proj = nn.Linear(time_dim, out_ch)
        self.norm2 = nn.GroupNorm(groups, out_ch)
        self.conv2 = nn.Conv2d(out_ch, out_ch, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(in_ch, out_ch, 1) if in_ch != out_ch else nn.Identity()

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time_emb_proj(F.silu(t))[:, :, None, None]
        h = self.conv2(F.silu(self.norm2(h)))
        return self.conv_shortcut(x) + h


class Attention(nn.Module):
    """Multi-head attention of x (B, N, C) over context (B, T, D), or over itself when context is None."""

    def __init__(self, dim: int, context_dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(context_dim, dim, bias=False)
        self.to_v = nn.Linear(context_dim, dim, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(dim, dim)])

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        context = x if context is None else context
        q, k, v = (
            y.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, tokens, C / heads)
            for y in (self.to_q(x), self.to_k(context), self.to_v(context))
        )
        h = self.attend(q, k, v)
        return self.to_out[0](h.transpose(1, 2).flatten(2))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """softmax(q k^T / sqrt(d)) v, each (B, heads, tokens, d): the one seam for maps, slicing or another kernel."""
        return F.scaled_dot_product_attention(q, k, v)


class GEGLU(nn.Module):
    """Gated GELU (Shazeer 2020, arXiv:2002.05202): (B, N, C) -> (B, N, C')."""

    def __init__(self, dim: int, out_dim: int) -> None:
        super().__init__()
        self.proj = nn.Linear(dim, 2 * out_dim)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * F.gelu(gate)


class FeedForward(nn.Module):
    """Widen four times, gate, narrow: (B, N, C) -> (B, N, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.net = nn.Sequential(GEGLU(dim, 4 * dim), nn.Identity(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention to the prompt, feed-forward; each pre-normed and residual."""

    def __init__(self, dim: int, heads: int, context_dim: int, cross_only: bool) -> None:
        super().__init__()
        self.cross_only = cross_only
        self.norm1 = nn.LayerNorm(dim)
        self.attn1 = Attention(dim, context_dim if cross_only else dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.attn2 = Attention(dim, context_dim, heads)
        self.norm3 = nn.LayerNorm(dim)
        self.ff = FeedForward(dim)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        x = x + self.attn1(self.norm1(x), context if self.cross_only else None)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    """Run transformer blocks on an image laid out as tokens: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, ch: int, depth: int, heads: int, cross_only: bool, config: UNetConfig) -> None:
        super().__init__()
        self.linear = config.linear_projection
        self.norm = nn.GroupNorm(config.groups, ch, eps=1e-6)
        self.proj_in = nn.Linear(ch, ch) if self.linear else nn.Conv2d(ch, ch, 1)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(ch, heads, config.context_dim, cross_only) for _ in range(depth)
        )
        self.proj_out = nn.Linear(ch, ch) if self.linear else nn.Conv2d(ch, ch, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        height = x.shape[2]
        h = self.norm(x)
        h = self.proj_in(to_tokens(h)) if self.linear else to_tokens(self.proj_in(h))
        for block in self.transformer_blocks:
            h = block(h, context)
        h = to_image(self.proj_out(h), height) if self.linear else self.proj_out(to_image(h, height))
        return x + h


def to_tokens(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H*W, C)."""
    return x.flatten(2).transpose(1, 2)


def to_image(x: Tensor, height: int) -> Tensor:
    """(B, H*W, C) -> (B, C, H, W)."""
    return torch.unflatten(x.transpose(1, 2), 2, (height, -1))


class Downsample(nn.Module):
    """Halve height and width (rounding up): (B, C, H, W) -> (B, C, H/2, W/2)."""

    def __init__(self, ch: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(ch, ch, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class Upsample(nn.Module):
    """Double height and width, or grow to ``size``: (B, C, H, W) -> (B, C, 2H, 2W)."""

    def __init__(self, ch: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(ch, ch, 3, padding=1)

    def forward(self, x: Tensor, size: Sequence[int] | None = None) -> Tensor:
        return self.conv(F.interpolate(x, size=size, scale_factor=None if size else 2.0, mode="nearest"))


IO = Sequence[tuple[int, int]]  # channels in and out of each resnet of a stage


class Stage(nn.Module):
    """One resolution of the U-Net: resnets, each followed by attention where the config asks for it."""

    def __init__(self, io: IO, config: UNetConfig, level: int, depth: int, cross_only: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Resnet(i, o, config.time_dim, config.groups) for i, o in io)
        if depth:
            self.attentions = nn.ModuleList(
                SpatialTransformer(o, depth, config.heads[level], cross_only, config) for _, o in io
            )

    def layers(self) -> Iterator[tuple[nn.Module, nn.Module | None]]:
        """Pair each resnet with the attention that follows it, or with None."""
        return zip(self.resnets, getattr(self, "attentions", repeat(None)), strict=False)


class DownStage(Stage):
    """Goes one resolution down, pushing everything it makes on the stack of skips."""

    def __init__(self, io: IO, config: UNetConfig, level: int, last: bool) -> None:
        super().__init__(io, config, level, config.depth[level], config.cross_only[level])
        if not last:
            self.downsamplers = nn.ModuleList([Downsample(io[-1][1])])

    def forward(self, x: Tensor, t: Tensor, context: Tensor, skips: list[Tensor]) -> Tensor:
        for resnet, attention in self.layers():
            x = resnet(x, t)
            if attention is not None:
                x = attention(x, context)
            skips.append(x)
        for downsample in getattr(self, "downsamplers", ()):
            x = downsample(x)
            skips.append(x)
        return x


class MidStage(Stage):
    """Resnet, attention, resnet at the coarsest resolution."""

    def __init__(self, ch: int, config: UNetConfig) -> None:
        super().__init__([(ch, ch)], config, -1, config.mid_depth, cross_only=False)
        self.resnets.append(Resnet(ch, ch, config.time_dim, config.groups))

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        x = self.attentions[0](self.resnets[0](x, t), context)
        return self.resnets[1](x, t)


class UpStage(Stage):
    """Goes one resolution up, popping the skips that the way down pushed."""

    def __init__(self, io: IO, config: UNetConfig, level: int, last: bool) -> None:
        super().__init__(io, config, level, config.depth[level], config.cross_only[level])
        if not last:
            self.upsamplers = nn.ModuleList([Upsample(io[-1][1])])

    def forward(self, x: Tensor, t: Tensor, context: Tensor, skips: list[Tensor]) -> Tensor:
        for resnet, attention in self.layers():
            x = resnet(torch.cat([x, skips.pop()], dim=1), t)
            if attention is not None:
                x = attention(x, context)
        for upsample in getattr(self, "upsamplers", ()):
            x = upsample(x, skips[-1].shape[2:])  # odd sizes come back exactly as they went down
        return x


class WayDown(nn.Module):
    """What a U-Net and a ControlNet are both made of: the time embedding, the way down and the middle."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config, ch, n = config, config.channels, config.resnets
        self.conv_in = nn.Conv2d(config.in_channels, ch[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(ch[0], config.time_dim, config.guidance_dim)
        if config.noise_levels:
            self.class_embedding = nn.Embedding(config.noise_levels, config.time_dim)
        if config.pooled_dim:
            self.add_embedding = TimeEmbedding(config.pooled_dim, config.time_dim)
        self.down_blocks = nn.ModuleList(
            DownStage([(before, own)] + [(own, own)] * (n - 1), config, level, last=level == len(ch) - 1)
            for level, (before, own) in enumerate(zip((ch[0], *ch), ch, strict=False))
        )
        self.mid_block = MidStage(ch[-1], config)


class UNet(WayDown):
    """Latent x (B, in_channels, H, W), time t (B,), prompt (B, T, D) -> prediction (B, out_channels, H, W)."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        ch, pushed = config.channels, config.skips
        self.up_blocks, width = nn.ModuleList(), ch[-1]
        for level in reversed(range(len(ch))):
            io = [(below + pushed.pop(), ch[level]) for below in [width] + [ch[level]] * config.resnets]
            self.up_blocks.append(UpStage(io, config, level, last=level == 0))
            width = ch[level]
        self.conv_norm_out = nn.GroupNorm(config.groups, ch[0])
        self.conv_out = nn.Conv2d(ch[0], config.out_channels, 3, padding=1)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        context: Tensor,
        *,
        noise_level: Tensor | None = None,
        pooled: Tensor | None = None,
        sizes: Tensor | None = None,
        guidance: Tensor | None = None,
        residuals: Sequence[Tensor] = (),
    ) -> Tensor:
        """Predict. ``noise_level`` (B,) is for the x4 upscaler; ``pooled`` (B, P) and ``sizes`` (B, 6; refiner 5) for
        SDXL; ``guidance`` (B, guidance_dim) for LCM; ``residuals`` are added to every skip and (the last) the middle.
        """
        emb = self.time_embedding(sinusoid(t, self.config.channels[0]).to(x.dtype), guidance)
        if noise_level is not None:
            emb = emb + self.class_embedding(noise_level)
        if pooled is not None and sizes is not None:
            waves = sinusoid(sizes.flatten(), self.config.size_dim).view(len(sizes), -1)
            emb = emb + self.add_embedding(torch.cat([pooled, waves.to(pooled.dtype)], dim=-1))

        x = self.conv_in(x)
        skips = [x]
        for block in self.down_blocks:
            x = block(x, emb, context, skips)
        x = self.mid_block(x, emb, context)
        if residuals:
            *skips, x = (made + more for made, more in zip([*skips, x], residuals, strict=True))
        for block in self.up_blocks:
            x = block(x, emb, context, skips)
        return self.conv_out(F.silu(self.conv_norm_out(x)))
