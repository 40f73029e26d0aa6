"""The picture's side of CLIP: what an IP-Adapter looks with (ViT-H of OpenCLIP for SD 1.x, ViT-bigG for SDXL).

Radford et al. 2021, arXiv:2103.00020, sec. 2.4; Dosovitskiy et al. 2021 (ViT), arXiv:2010.11929, sec. 3.1. Attribute
names are those of a transformers ``image_encoder/`` folder. Letters: B batch, P patches and one more, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sukashi.nets.clip import Encoder, TransformerConfig


@dataclass(frozen=True, kw_only=True)
class CLIPVisionConfig(TransformerConfig):
    """What differs between the image encoders; the default is that of the IP-Adapters for SD 1.x (ViT-H/14)."""

    causal: ClassVar[bool] = False
    width: int = 1280
    mlp_width: int = 5120
    layers: int = 32
    heads: int = 16
    activation: str = "gelu"
    size: int = 224  # pixels per side
    patch: int = 14
    projection_dim: int = 1024


class VisionStates(NamedTuple):
    """Every stage of the encoding; ``hidden[0]`` is the patches, ``hidden[i]`` the output of layer i."""

    hidden: tuple[Tensor, ...]  # (B, P, D) each
    embeds: Tensor  # (B, projection_dim): the whole picture as one vector


class Embeddings(nn.Module):
    """Patches and their places, the class token first: picture (B, 3, size, size) -> (B, P, D)."""

    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(config.width))
        self.patch_embedding = nn.Conv2d(3, config.width, config.patch, stride=config.patch, bias=False)
        self.position_embedding = nn.Embedding((config.size // config.patch) ** 2 + 1, config.width)

    def forward(self, picture: Tensor) -> Tensor:
        patches = self.patch_embedding(picture).flatten(2).transpose(1, 2)  # (B, D, h, w) -> (B, h*w, D)
        tokens = torch.cat([self.class_embedding.expand(len(picture), 1, -1), patches], dim=1)
        return tokens + self.position_embedding.weight


class VisionTransformer(nn.Module):
    """Patches, a norm, layers, another norm: the ``vision_model`` of a checkpoint, which spells its first norm so."""

    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.pre_layrnorm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.encoder = Encoder(config)
        self.post_layernorm = nn.LayerNorm(config.width, eps=config.norm_eps)


class CLIPVision(nn.Module):
    """Pictures (B, 3, size, size), normalised as CLIP wants them -> ``VisionStates``."""

    def __init__(self, config: CLIPVisionConfig) -> None:
        super().__init__()
        self.config = config
        self.vision_model = VisionTransformer(config)
        self.visual_projection = nn.Linear(config.width, config.projection_dim, bias=False)

    def forward(self, picture: Tensor) -> VisionStates:
        net = self.vision_model
        hidden = net.encoder(net.pre_layrnorm(net.embeddings(picture)))
        return VisionStates(hidden, self.visual_projection(net.post_layernorm(hidden[-1][:, 0])))
