"""Seeing the attention of a U-Net to its prompt, from outside."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from sukashi.nets.shallow import Attend, Net, with_attend
from sukashi.nets.unet import Attention

See = Callable[[str, Tensor], None]
"""(name of the layer, probabilities (B, heads, N, T) of N image tokens over T text tokens)."""


def watched(unet: Net, see: See) -> Net:
    """A copy of the U-Net that shares its weights, computes the same bits, and shows its cross-attention to ``see``."""

    def showing(name: str, layer: Attention) -> Attend:
        attend = layer.attend

        def seen(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            see(name, attention_map(q, k))
            return attend(q, k, v)

        return seen

    return with_attend(unet, showing, to_text=True)


def attention_map(q: Tensor, k: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)): q (B, heads, N, d), k (B, heads, T, d) -> (B, heads, N, T), in float32."""
    return (q.float() @ k.float().transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(dim=-1)


def map_size(tokens: int, height: int, width: int) -> tuple[int, int]:
    """The height and width of an attention map of so many image tokens in a latent of height x width.

    The U-Net halves both, rounding up, until as many cells are left. Raises ValueError when no halving fits.
    """
    h, w = height, width
    while h * w > tokens:
        h, w = (h + 1) // 2, (w + 1) // 2
    if h * w != tokens:
        raise ValueError(f"{tokens} image tokens do not come from a latent of {height} x {width}")
    return h, w
