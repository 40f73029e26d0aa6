"""The networks as one thing to train, and copies of a model that training may change.

Letters: B batch, C channels, h w latent cells, T text tokens, D their width, P width of the pooled text.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from sukashi.pipeline import Pipeline
from sukashi.prompts.encode import chunks_needed, encode_prompts
from sukashi.weights.parts import Parts

Net = TypeVar("Net", bound=nn.Module)
HELD = {"fp16": torch.float16, "bf16": torch.bfloat16, "no": torch.float32}  # by precision: what does not train


class Told(NamedTuple):
    """Encoded captions: context (B, T, D), for SDXL also pooled (B, P)."""

    context: Tensor
    pooled: Tensor | None


class Learner(nn.Module):
    """Text encoders and U-Net in one forward pass, so that several processes can share their gradients."""

    def __init__(self, parts: Parts, clip_skip: int = 1) -> None:
        super().__init__()
        self.parts, self.clip_skip = parts, clip_skip
        self.unet, self.texts = parts.unet, nn.ModuleList(parts.text_encoders)

    def chunks(self, captions: Sequence[str | None]) -> int:
        """How many chunks of tokens the longest of the captions takes."""
        return chunks_needed(self.parts, captions, emphasis="none")

    def tell(self, captions: Sequence[str | None], chunks: int = 1) -> Told:
        """Captions -> what the U-Net is told, by the rules of the family; None is 'nothing said'.

        A caption is words as they stand. What is longer than the text encoder reads goes into more chunks, as in a
        prompt; all captions have as many as the longest, ``chunks`` at least.
        """
        said = encode_prompts(self.parts, captions, emphasis="none", clip_skip=self.clip_skip, chunks=chunks)
        return Told(said.context, said.pooled)

    def forward(self, x: Tensor, t: Tensor, said: Told | Sequence[str | None], sizes: Tensor | None = None) -> Tensor:
        """Noisy latent x (B, C, h, w), step t (B,), captions or their encoding, sizes (B, 6) for SDXL -> prediction."""
        told = said if isinstance(said, Told) else self.tell(said)
        return self.unet(x, t, told.context, pooled=told.pooled, sizes=sizes)


def parts_of(model: Pipeline | Parts) -> Parts:
    """The networks of what is to be taught. Raises ValueError for a model that learns from words and more.

    SD 1.x, SD 2.x and SDXL's base can be taught; what takes a mask, a depth or a small picture beside the prompt, the
    refiner and an LCM cannot.
    """
    parts = model if isinstance(model, Parts) else model.parts
    family = parts.family
    more = family.unet.in_channels != family.vae.latent_channels or family.unet.noise_levels
    if more or family.unet.guidance_dim or family.size_numbers == 5:
        raise ValueError(f"a {family.title} model cannot be taught here; SD 1.x, SD 2.x and SDXL's base can")
    return parts


def moved(parts: Parts, device: torch.device, dtype: torch.dtype) -> Parts:
    """A model on ``device`` whose U-Net and text encoders are ``dtype``, the autoencoder float32.

    What is so already is shared with ``parts``, the rest copied: the networks given are never changed.
    """
    return replace(
        parts,
        unet=there(parts.unet, device, dtype),
        vae=there(parts.vae, device, torch.float32),
        text_encoders=tuple(there(text, device, dtype) for text in parts.text_encoders),
    )


def there(net: Net, device: torch.device, dtype: torch.dtype) -> Net:
    """The network itself, or a copy of it on another device or in another precision; nothing in it trains."""
    if all(p.device == device and p.dtype == dtype and not p.requires_grad for p in net.parameters()):
        return net
    return copy.deepcopy(net).to(device, dtype).requires_grad_(False)


def own(net: Net) -> Net:
    """A copy in float32 of which everything trains."""
    return copy.deepcopy(net).float().requires_grad_(True)
