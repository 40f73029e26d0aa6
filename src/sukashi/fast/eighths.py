"""Linear layers in float8: half the bytes of half precision, twice the products a second on GPUs that have them.

An approximation, so it is an option, and its error is measured whenever it is switched on. Numbers of eight bits (E4M3:
Micikevicius et al. 2022, "FP8 Formats for Deep Learning", arXiv:2209.05433, sec. 3) have three digits of mantissa;
every row of a weight and of an input is scaled so that its largest value is the largest there is (448). Products are
summed in float32. Only the linear layers inside transformer blocks are replaced: those that see many rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.fast import ops
from sukashi.fast.convolution import recorded
from sukashi.nets.shallow import twin_of
from sukashi.nets.unet import UNet

if TYPE_CHECKING:
    from sukashi.fast.choice import Tools

LARGEST = 448.0  # of float8_e4m3fn
MULTIPLE = 16  # of rows and columns of a weight, which the matrix units want


def scaled(x: Tensor) -> tuple[Tensor, Tensor]:
    """X (N, C) -> eighths (N, C) and scales (N, 1) in float32, so that their product is x to three digits."""
    scale = x.abs().amax(dim=1, keepdim=True).float().clamp(min=1e-12) / LARGEST
    return (x.float() / scale).clamp(-LARGEST, LARGEST).to(torch.float8_e4m3fn), scale


def emulated(x: Tensor, weight: Tensor, scale: Tensor, weight_scale: Tensor) -> Tensor:
    """What ``ops.product_of_eighths`` computes, in float32 on any device: for measuring its error, not for speed."""
    return (x.float() * scale) @ (weight.float().t() * weight_scale)


class Linear(nn.Linear):
    """A twin of ``nn.Linear`` that multiplies eighths."""

    tools: Tools
    ready: tuple[Tensor, Tensor] | None = None  # the weight made ready, where nobody may look whether it has changed

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C')."""
        if recorded(x, self.weight):
            return super().forward(x)
        weight, weight_scale = self.ready or self.made()
        rows, scale = scaled(x.reshape(-1, x.shape[-1]))
        multiply = ops.product_of_eighths if x.is_cuda else emulated
        out = multiply(rows, weight, scale, weight_scale.t()).to(x.dtype)
        out = out if self.bias is None else out + self.bias
        return out.view(*x.shape[:-1], -1)

    def made(self) -> tuple[Tensor, Tensor]:
        """The weight as eighths and scales, made once and anew when it changes."""
        found: tuple[Tensor, Tensor] = self.tools.kept.get("eighths", self.weight, lambda: scaled(self.weight.detach()))
        return found


def eighths(name: str, layer: nn.Linear, tools: Tools) -> nn.Module | None:
    """The twin of a linear layer, or None for one that stays as it is."""
    if "transformer_blocks" not in name or layer.in_features % MULTIPLE or layer.out_features % MULTIPLE:
        return None
    twin = twin_of(layer, Linear)
    twin.tools = tools
    return twin


def prepare(net: nn.Module) -> nn.Module:
    """A twin whose eighths are made ready for good: for a compiler."""
    for layer in net.modules():
        if isinstance(layer, Linear):
            layer.ready = layer.made()
    return net


def check(device: torch.device, dtype: torch.dtype) -> None:
    """Raise ValueError where float8 brings no speed: anywhere but on a GPU with such matrix units."""
    if device.type != "cuda":
        raise ValueError(f"fp8 is for GPUs with float8 matrix units, not for {device}; without it the model runs there")
    if dtype == torch.float32:
        raise ValueError("fp8 goes with float16 or bfloat16, not with float32")
    if problem := ops.problem("float8 product", dtype):
        raise ValueError(f"fp8 cannot be used here: {problem}")


def error(net: UNet, twin: nn.Module, cells: int = 16) -> float:
    """How far a U-Net with eighths is from itself without: root mean square difference as a part of the output's.

    On two rows of waves of ``cells`` x ``cells``, half way between noise and picture.
    """
    weight = next(net.parameters())
    config = net.config
    width = max(1, config.pooled_dim - config.size_dim)  # and one size
    shapes = ((2, config.in_channels, cells, cells), (2, 77, config.context_dim), (2, width))
    x, context, pooled = (wave.to(weight) for wave in ops.waves(torch.float32, *shapes))
    told: dict[str, Tensor] = {}
    if config.pooled_dim:
        told |= {"pooled": pooled, "sizes": torch.full((2, 1), 512.0, device=weight.device)}
    if config.noise_levels:
        told["noise_level"] = torch.zeros(2, dtype=torch.long, device=weight.device)
    t = torch.full((2,), 500.0, device=weight.device)
    with torch.no_grad():
        exact, found = net(x, t, context, **told).float(), twin(x, t, context, **told).float()
    return (F.mse_loss(found, exact) / exact.square().mean()).sqrt().item()
