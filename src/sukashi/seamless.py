"""Pictures that continue on the other side: every padded convolution sees the opposite edge instead of zeros.

The networks are not changed: a pipeline is copied, sharing all weights, with its convolutions wrapped.
"""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.nets.shallow import shallow

Net = TypeVar("Net", bound=nn.Module)


class Wrapping(nn.Module):
    """A convolution whose padding takes the opposite edge: along x (left and right), y, or both."""

    def __init__(self, conv: nn.Conv2d, axes: str) -> None:
        super().__init__()
        self.conv, self.axes = conv, axes

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W), or half of it."""
        down, across = (int(side) for side in self.conv.padding)
        x = F.pad(x, (across, across, 0, 0), mode="circular" if "x" in self.axes else "constant")
        x = F.pad(x, (0, 0, down, down), mode="circular" if "y" in self.axes else "constant")
        return F.conv2d(x, self.conv.weight, self.conv.bias, self.conv.stride)


def seamless(net: Net, axes: str) -> Net:
    """A copy of a network that shares its weights and wraps around along ``axes``: "x", "y" or "xy"."""
    twin = shallow(net)
    for module in list(twin.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and child.padding != (0, 0):
                module._modules[name] = Wrapping(child, axes)
    return twin
