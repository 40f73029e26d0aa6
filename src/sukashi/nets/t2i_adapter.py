"""T2I-Adapter: a small network that sees a picture once, and adds to what each stage of the U-Net's way down makes.

Mou et al. 2023, "T2I-Adapter: Learning Adapters to Dig out More Controllable Ability", arXiv:2302.08453, sec. 3.3.
Attribute names are those of a diffusers folder. Letters: B batch, C channels, H W the picture's height and width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

Kind = Literal["full_adapter", "full_adapter_xl", "light_adapter"]


@dataclass(frozen=True, kw_only=True)
class T2IConfig:
    """What differs between the adapters; ``channels`` of each feature, finest first."""

    kind: Kind = "full_adapter"
    picture_channels: int = 3  # 1 for sketches
    channels: Sequence[int] = (320, 640, 1280, 1280)  # light: without the last, which repeats the one before
    resnets: int = 2
    factor: int = 8  # pixels for each cell of the first feature

    @property
    def widths(self) -> list[int]:
        """Channels of each feature."""
        return [*self.channels, *self.channels[-1:]] if self.kind == "light_adapter" else list(self.channels)

    @property
    def halved(self) -> list[bool]:
        """Before which blocks height and width are halved: all but the first; for SDXL only the third."""
        return [i == 2 if self.kind == "full_adapter_xl" else i > 0 for i in range(len(self.widths))]


class ResnetBlock(nn.Module):
    """x + conv(relu(conv(x))): (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, ch: int, kernel: int) -> None:
        super().__init__()
        self.block1 = nn.Conv2d(ch, ch, 3, padding=1)
        self.block2 = nn.Conv2d(ch, ch, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block2(F.relu(self.block1(x)))


class Block(nn.Module):
    """One resolution: perhaps halved, brought to its width, residual blocks."""

    def __init__(self, in_ch: int, out_ch: int, resnets: int, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        if in_ch != out_ch:
            self.in_conv = nn.Conv2d(in_ch, out_ch, 1)
        self.resnets = nn.Sequential(*[ResnetBlock(out_ch, 1) for _ in range(resnets)])

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 2, ceil_mode=True) if self.halve else x
        return self.resnets(self.in_conv(x) if hasattr(self, "in_conv") else x)


class LightBlock(nn.Module):
    """One resolution of the light adapter: the residual blocks work on a quarter of the channels."""

    def __init__(self, in_ch: int, out_ch: int, resnets: int, halve: bool) -> None:
        super().__init__()
        self.halve, ch = halve, out_ch // 4
        self.in_conv = nn.Conv2d(in_ch, ch, 1)
        self.resnets = nn.Sequential(*[ResnetBlock(ch, 3) for _ in range(resnets)])
        self.out_conv = nn.Conv2d(ch, out_ch, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x, 2, ceil_mode=True) if self.halve else x
        return self.out_conv(self.resnets(self.in_conv(x)))


class Body(nn.Module):
    """The whole adapter; ``T2IAdapter`` only puts it under the name that checkpoints have."""

    def __init__(self, config: T2IConfig) -> None:
        super().__init__()
        self.factor, widths, pixels = config.factor, config.widths, config.picture_channels * config.factor**2
        light = config.kind == "light_adapter"
        if not light:
            self.conv_in = nn.Conv2d(pixels, widths[0], 3, padding=1)
        before = [pixels if light else widths[0], *widths]
        make = LightBlock if light else Block
        self.body = nn.ModuleList(
            make(in_ch, out_ch, config.resnets, halve)
            for in_ch, out_ch, halve in zip(before, widths, config.halved, strict=False)
        )

    def forward(self, picture: Tensor) -> list[Tensor]:
        x = F.pixel_unshuffle(picture, self.factor)
        x = self.conv_in(x) if hasattr(self, "conv_in") else x
        features = []
        for block in self.body:
            x = block(x)
            features.append(x)
        return features


class T2IAdapter(nn.Module):
    """Picture (B, 3 or 1, H, W) in [0, 1] -> a feature for each stage of the way down; SDXL's last is for the middle.

    H and W are multiples of ``config.factor``.
    """

    def __init__(self, config: T2IConfig) -> None:
        super().__init__()
        self.config = config
        self.adapter = Body(config)

    def forward(self, picture: Tensor) -> list[Tensor]:
        return self.adapter(picture)
