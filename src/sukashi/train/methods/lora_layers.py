"""Layers that learn a low-rank change of a weight that stays: LoRA, for linear layers and convolutions, and DoRA.

Hu et al. 2021, arXiv:2106.09685, sec. 4.1; for a kernel Yeh et al. 2023, arXiv:2309.14859, sec. 3; Liu et al. 2024,
arXiv:2402.09353. Letters: o, i width of the output and input, r rank, k side of a kernel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.adapters.lora.layers import tensors_of
from sukashi.nets.shallow import twin_of


class Learning(nn.Module):
    """What both kinds share: ``down`` (r, i) or (r, i, k, k), ``up`` (o, r) or (o, r, 1, 1), of DoRA ``length`` (o,).

    The weight's change is ``scale`` * up @ down; up begins as 0, so that training begins with the model as it is.
    """

    down: nn.Parameter
    up: nn.Parameter
    length: nn.Parameter | None
    scale: float

    def begin(self, rank: int, alpha: float, dora: bool, g: torch.Generator) -> None:
        """Make the factors: down as a linear layer begins (He et al. 2015, a = sqrt 5), up 0, length that of W."""
        weight, _ = tensors_of(self)
        bound = 1 / math.sqrt(weight[0].numel())  # what kaiming_uniform with a = sqrt 5 comes to
        shape = (rank, *weight.shape[1:])
        down = (2 * torch.rand(shape, generator=g) - 1) * bound
        self.down = nn.Parameter(down.to(weight.device))
        self.up = nn.Parameter(torch.zeros(len(weight), rank, *[1] * (weight.ndim - 2), device=weight.device))
        self.length = nn.Parameter(weight.float().flatten(1).norm(dim=1)) if dora else None
        self.scale = alpha / rank

    def factors(self) -> dict[str, nn.Parameter]:
        """What trains, by name."""
        length = {} if self.length is None else {"length": self.length}
        return {"down": self.down, "up": self.up, **length}

    def turned(self) -> Tensor:
        """DoRA's weight: length * (W + dW) / |W + dW|, eq. 5, the norm a constant for the gradient (sec. 4.3)."""
        assert self.length is not None
        weight, _ = tensors_of(self)
        changed = weight + self.scale * (self.up.flatten(1) @ self.down.flatten(1)).reshape(weight.shape)
        share = self.length / changed.detach().flatten(1).norm(dim=1)  # (o,)
        return changed * share.reshape(-1, *[1] * (weight.ndim - 1))


class LearningLinear(Learning, nn.Linear):
    """W x + scale * up (down x)."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., i) -> (..., o)."""
        if self.length is not None:
            return F.linear(x, self.turned(), self.bias)
        return F.linear(x, self.weight, self.bias) + self.scale * F.linear(F.linear(x, self.down), self.up)


class LearningConv(Learning, nn.Conv2d):
    """The same for a convolution: down has its kernel and stride, up is 1x1."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, i, H, W) -> (B, o, H', W')."""
        if self.length is not None:
            return self._conv_forward(x, self.turned(), self.bias)
        low = self._conv_forward(x, self.down, None)
        return self._conv_forward(x, self.weight, self.bias) + self.scale * F.conv2d(low, self.up)


def learning(layer: nn.Module, rank: int, alpha: float, dora: bool, g: torch.Generator) -> Learning:
    """A layer beside ``layer``, sharing its tensors, that learns a change of them."""
    twin: Learning = twin_of(layer, LearningLinear if isinstance(layer, nn.Linear) else LearningConv)
    twin.begin(rank, alpha, dora, g)
    return twin
