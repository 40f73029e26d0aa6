"""Pictures that continue on the other side: every padded convolution sees the opposite edge instead of zeros.

The networks are not changed: a pipeline is copied, sharing all weights, with its convolutions wrapped.
"""

from __future__ import annotations

import copy
from typing import Any, TypeVar, cast

from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.nets.shallow import shallow

Net = TypeVar("Net", bound=nn.Module)
P = TypeVar("P")


class Wrapping(nn.Module):
    """A convolution whose padding takes the opposite edge: along x (left and right), y, or both."""

    def __init__(self, conv: nn.Conv2d, axes: str) -> None:
        super().__init__()
        self.conv, self.axes, self.sides = shallow(conv), axes, conv.padding
        self.conv.padding = (0, 0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W), or half of it."""
        down, across = (int(side) for side in self.sides)
        x = F.pad(x, (across, across, 0, 0), mode="circular" if "x" in self.axes else "constant")
        x = F.pad(x, (0, 0, down, down), mode="circular" if "y" in self.axes else "constant")
        out: Tensor = self.conv(x)
        return out


def seamless(net: Net, axes: str) -> Net:
    """A copy of a network that shares its weights and wraps around along ``axes``: "x", "y" or "xy"."""
    twin = shallow(net)
    for module in list(twin.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and child.padding != (0, 0):
                module._modules[name] = Wrapping(child, axes)
    return twin


def around(pipe: P, axes: str) -> P:
    """A copy of a pipeline, with the same weights, whose pictures continue on the other side along ``axes``."""
    twin: Any = copy.copy(pipe)
    twin.unet, twin.vae, twin.wraps = seamless(twin.unet, axes), seamless(twin.vae, axes), True
    return cast("P", twin)
