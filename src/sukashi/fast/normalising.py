"""Normalisation and SiLU in one pass over pictures that lie channels last: the layers of both networks that do so."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.fast import ops
from sukashi.fast.convolution import recorded
from sukashi.nets import unet, vae
from sukashi.nets.shallow import twin_of


class GroupNorm(nn.GroupNorm):
    """A twin of ``nn.GroupNorm`` that leaves pictures channels last."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return self.fused(x, silu=False)

    def fused(self, x: Tensor, *, silu: bool) -> Tensor:
        """The same, and SiLU of it where asked."""
        if x.ndim != 4 or recorded(x, self.weight):
            x = super().forward(x)
            return F.silu(x) if silu else x
        return ops.group_norm(x, self.num_groups, self.weight, self.bias, self.eps, silu=silu)


class UNetResnet(unet.Resnet):
    """A twin of ``nets.unet.Resnet`` whose normalisations and activations are one."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """X (B, C, H, W), t (B, E) -> (B, C', H, W)."""
        h = self.conv1(active(self.norm1, x))
        h = h + self.time_emb_proj(F.silu(t))[:, :, None, None]
        h = self.conv2(active(self.norm2, h))
        return cast("Tensor", self.conv_shortcut(x) + h)


class VAEResnet(vae.Resnet):
    """A twin of ``nets.vae.Resnet`` whose normalisations and activations are one."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W)."""
        h = self.conv1(active(self.norm1, x))
        h = self.conv2(active(self.norm2, h))
        return cast("Tensor", self.conv_shortcut(x) if self.widens else x) + h


def active(norm: nn.Module, x: Tensor) -> Tensor:
    """SiLU of what a normalisation gives."""
    return norm.fused(x, silu=True) if type(norm) is GroupNorm else F.silu(norm(x))


def normalising(layer: nn.Module) -> nn.Module | None:
    """The twin of a layer that normalises, or None for any other."""
    kinds: dict[type[nn.Module], type[nn.Module]] = {
        nn.GroupNorm: GroupNorm,
        unet.Resnet: UNetResnet,
        vae.Resnet: VAEResnet,
    }
    if type(layer) not in kinds or (isinstance(layer, nn.GroupNorm) and not layer.affine):
        return None
    return twin_of(layer, kinds[type(layer)])


def channels_last(net: nn.Module) -> None:
    """Lay the convolution weights of a network channels last, in place: the same numbers, for kernels that want it."""
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim == 4:
                weight.data = weight.data.contiguous(memory_format=torch.channels_last)
