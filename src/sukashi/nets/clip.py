"""The text encoders: CLIP-L of SD 1.x, OpenCLIP-H of SD 2.x, OpenCLIP-bigG of SDXL.

Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", arXiv:2103.00020,
sec. 2.4; Ilharco et al. 2021, OpenCLIP. Attribute names are those of a transformers ``text_encoder/`` folder.
Letters: B batch, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """What the layers of an encoder need, be it of text or (``clip_vision``) of pictures."""

    causal: ClassVar[bool] = True  # whether a token sees only itself and what comes before it
    width: int = 768
    mlp_width: int = 3072
    layers: int = 12
    heads: int = 12
    activation: str = "quick_gelu"  # CLIP-L; the OpenCLIP encoders use "gelu"
    norm_eps: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class CLIPTextConfig(TransformerConfig):
    """What differs between the text encoders."""

    vocab_size: int = 49408
    positions: int = 77
    projection_dim: int | None = None  # width of the pooled output where the encoder projects it (SDXL's second)
    eos_token_id: int = 49407  # the pooled output is read at its first place; 2 (configs before 2023): see ``end_of``


class TextStates(NamedTuple):
    """Every stage of the encoding; ``hidden[0]`` is the embedded text, ``hidden[i]`` the output of layer i."""

    hidden: tuple[Tensor, ...]  # (B, T, D) each
    last: Tensor  # (B, T, D) hidden[-1] after the final norm
    pooled: Tensor  # (B, D), or (B, projection_dim): ``last`` at the end-of-text token


def quick_gelu(x: Tensor) -> Tensor:
    """X sigmoid(1.702 x), the approximation CLIP-L was trained with (Hendrycks & Gimpel 2016, arXiv:1606.08415)."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"quick_gelu": quick_gelu, "gelu": F.gelu}


class Embeddings(nn.Module):
    """Tokens and their places: ids (B, T) -> (B, T, D)."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.width)
        self.position_embedding = nn.Embedding(config.positions, config.width)

    def forward(self, ids: Tensor) -> Tensor:
        places = self.position_embedding.weight
        if ids.shape[1] > len(places):
            raise ValueError(f"{ids.shape[1]} tokens in a prompt, but this text encoder has {len(places)} positions")
        return self.token_embedding(ids) + places[: ids.shape[1]]


class Attention(nn.Module):
    """Self-attention, in text causal: a token sees itself and what comes before it. (B, T, D) -> (B, T, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.causal, self.heads, d = config.causal, config.heads, config.width
        self.q_proj, self.k_proj, self.v_proj = nn.Linear(d, d), nn.Linear(d, d), nn.Linear(d, d)
        self.out_proj = nn.Linear(d, d)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (
            y.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (B, heads, T, D / heads)
            for y in (self.q_proj(x), self.k_proj(x), self.v_proj(x))
        )
        h = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out_proj(h.transpose(1, 2).flatten(2))


class MLP(nn.Module):
    """(B, T, D) -> (B, T, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[config.activation]
        self.fc1 = nn.Linear(config.width, config.mlp_width)
        self.fc2 = nn.Linear(config.mlp_width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.activation(self.fc1(x)))


class Layer(nn.Module):
    """One pre-normed transformer layer: (B, T, D) -> (B, T, D)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layer_norm1 = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.self_attn = Attention(config)
        self.layer_norm2 = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.mlp = MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):
    """The stack of layers; keeps what each one says."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        hidden = [x]
        for layer in self.layers:
            hidden.append(layer(hidden[-1]))
        return tuple(hidden)


class TextTransformer(nn.Module):
    """Embeddings, layers and the final norm: the ``text_model`` of a checkpoint, run by ``CLIPText``."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = Encoder(config)
        self.final_layer_norm = nn.LayerNorm(config.width, eps=config.norm_eps)


class CLIPText(nn.Module):
    """Token ids (B, T) -> ``TextStates``."""

    def __init__(self, config: CLIPTextConfig) -> None:
        super().__init__()
        self.config = config
        self.text_model = TextTransformer(config)
        if config.projection_dim is not None:
            self.text_projection = nn.Linear(config.width, config.projection_dim, bias=False)

    def forward(self, ids: Tensor) -> TextStates:
        hidden = self.text_model.encoder(self.text_model.embeddings(ids))
        last = self.text_model.final_layer_norm(hidden[-1])
        pooled = last[torch.arange(len(ids), device=ids.device), self.end_of(ids)]
        if self.config.projection_dim is not None:
            pooled = self.text_projection(pooled)
        return TextStates(hidden, last, pooled)

    def end_of(self, ids: Tensor) -> Tensor:
        """The place of the end of each text: (B, T) -> (B,), the first of ``eos_token_id``.

        Published configs say 2, which no vocabulary means; the end is then the highest id, as transformers reads it,
        but added words, whose ids are higher still, do not count here.
        """
        if self.config.eos_token_id == 2:
            return ids.where(ids < min(self.config.vocab_size, 49408), -1).argmax(dim=-1)
        return (ids == self.config.eos_token_id).int().argmax(dim=-1)
