"""Residual blocks and feed-forward layers that write less: normalisation inside the convolution, sums in place.

Large activations cost as much time to write and to read back as to compute; in portions that a cache holds they do not.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.fast.convolution import Convolution, recorded
from sukashi.nets import unet, vae
from sukashi.nets.shallow import twin_of

TOKENS = 1024  # of a feed-forward layer at a time


class UNetResnet(unet.Resnet):
    """A twin of ``nets.unet.Resnet``."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """As in ``nets``."""
        if recorded(x, t, self.conv1.weight):
            return super().forward(x, t)
        h = after_norm(self.conv1, x, self.norm1)
        h += self.time_emb_proj(F.silu(t))[:, :, None, None]
        h = after_norm(self.conv2, h, self.norm2)
        h += self.conv_shortcut(x)
        return h


class VAEResnet(vae.Resnet):
    """A twin of ``nets.vae.Resnet``."""

    def forward(self, x: Tensor) -> Tensor:
        """As in ``nets``."""
        if recorded(x, self.conv1.weight):
            return super().forward(x)
        h = after_norm(self.conv2, after_norm(self.conv1, x, self.norm1), self.norm2)
        h += self.conv_shortcut(x) if self.widens else x
        return h


def after_norm(conv: nn.Module, x: Tensor, norm: nn.GroupNorm) -> Tensor:
    """conv(silu(norm(x))), a tensor of its own."""
    if isinstance(conv, Convolution):
        return conv.of_normalised(x, norm)
    made: Tensor = conv(F.silu(norm(x)))
    return made


class FeedForward(unet.FeedForward):
    """A twin of ``nets.unet.FeedForward`` that never holds the widened form of all tokens."""

    def forward(self, x: Tensor) -> Tensor:
        """As in ``nets``."""
        rows = x.shape[:-1].numel()
        if rows <= TOKENS or recorded(x, next(self.parameters())):
            return super().forward(x)
        out = torch.empty_like(x)
        parts, places = (torch.split(y.flatten(0, -2), TOKENS) for y in (x, out))
        for part, place in zip(parts, places, strict=True):
            place.copy_(super().forward(part))
        return out


def residual(layer: nn.Module) -> nn.Module | None:
    """The twin of a residual block or a feed-forward layer; None where its layers are not the usual ones."""
    if isinstance(layer, unet.FeedForward):
        return twin_of(layer, FeedForward)
    if any(type(layer.get_submodule(name)) is not nn.Conv2d for name in ("conv1", "conv2")):
        return None
    return twin_of(layer, UNetResnet if isinstance(layer, unet.Resnet) else VAEResnet)
