"""IP-Adapter: a picture as a prompt. A few image tokens, and a second cross-attention beside the one to the text.

Ye et al. 2023, "IP-Adapter: Text Compatible Image Prompt Adapter for Text-to-Image Diffusion Models", arXiv:2308.06721,
sec. 3.2. Attribute names are those of the published files. Letters: B batch, N = H*W cells of the U-Net, T text tokens,
I image tokens of one adapter, D width of a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.nets.unet import Attention


class Projection(nn.Module):
    """The plain adapter: CLIP's embedding (B, E) -> I tokens (B, I, D)."""

    def __init__(self, embed_dim: int, dim: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.proj = nn.Linear(embed_dim, tokens * dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, embeds: Tensor) -> Tensor:
        return self.norm(self.proj(embeds).unflatten(-1, (self.tokens, -1)))


class FullProjection(nn.Module):
    """The "full face" adapter: every hidden state of CLIP (B, I, E) -> tokens (B, I, D)."""

    def __init__(self, embed_dim: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.Linear(embed_dim, embed_dim), nn.GELU(), nn.Linear(embed_dim, dim), nn.LayerNorm(dim)
        )

    def forward(self, states: Tensor) -> Tensor:
        return self.proj(states)


class Perceiver(nn.Module):
    """Learned queries look at the picture's states and at themselves (Jaegle et al. 2021, arXiv:2103.03206)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, heads * 64, bias=False)
        self.to_kv = nn.Linear(dim, 2 * heads * 64, bias=False)
        self.to_out = nn.Linear(heads * 64, dim, bias=False)

    def forward(self, states: Tensor, latents: Tensor) -> Tensor:
        states, latents = self.norm1(states), self.norm2(latents)
        k, v = self.to_kv(torch.cat([states, latents], dim=1)).chunk(2, dim=-1)
        q, k, v = (y.unflatten(-1, (self.heads, -1)).transpose(1, 2) for y in (self.to_q(latents), k, v))
        return self.to_out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Resampler(nn.Module):
    """The "plus" adapters: the last hidden states but one of CLIP (B, P, E) -> I tokens (B, I, D)."""

    def __init__(self, embed_dim: int, dim: int, tokens: int, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.zeros(1, tokens, width))
        self.proj_in = nn.Linear(embed_dim, width)
        self.proj_out = nn.Linear(width, dim)
        self.norm_out = nn.LayerNorm(dim)

        def mlp() -> nn.Sequential:
            wide, narrow = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)
            return nn.Sequential(nn.LayerNorm(width), wide, nn.GELU(), narrow)

        self.layers = nn.ModuleList(nn.Sequential(Perceiver(width, heads), mlp()) for _ in range(layers))

    def forward(self, states: Tensor) -> Tensor:
        x, latents = self.proj_in(states), self.latents.expand(len(states), -1, -1)
        for layer in self.layers:
            attention, mlp = layer.children()
            latents = attention(x, latents) + latents
            latents = mlp(latents) + latents
        return self.norm_out(self.proj_out(latents))


class KeysValues(nn.Module):
    """The adapter's keys and values for one cross-attention: image tokens (B, I, D) -> (B, I, C) each."""

    def __init__(self, context_dim: int, dim: int) -> None:
        super().__init__()
        self.to_k_ip = nn.Linear(context_dim, dim, bias=False)
        self.to_v_ip = nn.Linear(context_dim, dim, bias=False)


class Image(NamedTuple):
    """One adapter at one cross-attention: its keys and values, how many tokens are its, how much it counts."""

    layers: KeysValues
    tokens: int
    scale: float


class ImageAttention(nn.Module):
    """Decoupled cross-attention, eq. 5: Z = Attention(Q, K, V) + sum of scale Attention(Q, K', V').

    Stands in the place of an ``Attention`` and uses its layers. The image tokens follow the text in ``context``.
    """

    def __init__(self, text: Attention, images: Sequence[Image]) -> None:
        super().__init__()
        self.text, self.images = text, tuple(images)
        self.image_layers = nn.ModuleList(image.layers for image in images)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, N, C) over context (B, T + I, D) -> (B, N, C)."""
        assert context is not None
        sizes = [image.tokens for image in self.images]
        words, *pictures = torch.split(context, [context.shape[1] - sum(sizes), *sizes], dim=1)
        q = self.heads(self.text.to_q(x))
        h = self.text.attend(q, self.heads(self.text.to_k(words)), self.heads(self.text.to_v(words)))
        for (layers, _, scale), tokens in zip(self.images, pictures, strict=True):
            if scale:
                k, v = self.heads(layers.to_k_ip(tokens)), self.heads(layers.to_v_ip(tokens))
                h = h + scale * F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.text.to_out[0](h.transpose(1, 2).flatten(2))
        return out

    def heads(self, x: Tensor) -> Tensor:
        """(B, tokens, C) -> (B, heads, tokens, C / heads)."""
        return torch.unflatten(x, -1, (self.text.heads, -1)).transpose(1, 2)
