"""ControlNet: a copy of the U-Net's way down that also sees a picture, and adds what it makes of it to every skip.

Zhang et al. 2023, "Adding Conditional Control to Text-to-Image Diffusion Models", arXiv:2302.05543, sec. 3.2. Attribute
names are those of a diffusers ``controlnet/`` folder. Letters as in ``unet``; a picture is (B, 3, f H, f W) in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.nets.unet import Stage, UNetConfig, WayDown, sinusoid


@dataclass(frozen=True, kw_only=True)
class ControlNetConfig(UNetConfig):
    """The U-Net that it is a copy of, and how it sees its picture. ``mid_depth`` 0: no attention in the middle."""

    picture_channels: int = 3
    hint_channels: Sequence[int] = (16, 32, 96, 256)  # every step but the first halves height and width
    bgr: bool = False  # trained on pictures whose colours come as blue, green, red
    pooled_residuals: bool = False  # adds one number per channel: the mean over the picture ("shuffle")

    @property
    def factor(self) -> int:
        """Pixels of the picture for each latent cell."""
        return 2 ** (len(self.hint_channels) - 1)


class Hint(nn.Module):
    """The tiny network E of eq. 4: picture (B, 3, f H, f W) -> (B, C, H, W), to be added to the latent's features."""

    def __init__(self, config: ControlNetConfig) -> None:
        super().__init__()
        ch = config.hint_channels
        self.conv_in = nn.Conv2d(config.picture_channels, ch[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for narrow, wide in pairwise(ch):
            self.blocks.append(nn.Conv2d(narrow, narrow, 3, padding=1))
            self.blocks.append(nn.Conv2d(narrow, wide, 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(ch[-1], config.channels[0], 3, padding=1)

    def forward(self, picture: Tensor) -> Tensor:
        h = F.silu(self.conv_in(picture))
        for conv in self.blocks:
            h = F.silu(conv(h))
        return self.conv_out(h)


class OneResnet(Stage):
    """The middle of the small SDXL ControlNets: no attention."""

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        return self.resnets[0](x, t)


class ControlNet(WayDown):
    """Latent, time, prompt and a picture -> the ``residuals`` of ``UNet``: one for each skip, the last for the middle.

    The 1x1 convolutions at the end are the paper's zero convolutions: before training they add nothing.
    """

    config: ControlNetConfig

    def __init__(self, config: ControlNetConfig) -> None:
        super().__init__(config)
        if not config.mid_depth:
            ends = (config.channels[-1], config.channels[-1])
            self._modules["mid_block"] = OneResnet([ends], config, -1, 0, cross_only=False)
        self.controlnet_cond_embedding = Hint(config)
        self.controlnet_down_blocks = nn.ModuleList(nn.Conv2d(ch, ch, 1) for ch in config.skips)
        self.controlnet_mid_block = nn.Conv2d(config.channels[-1], config.channels[-1], 1)

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        context: Tensor,
        picture: Tensor,
        *,
        pooled: Tensor | None = None,
        sizes: Tensor | None = None,
    ) -> list[Tensor]:
        """The residuals, unscaled. ``pooled`` and ``sizes`` as for the U-Net; guidance is nothing it is told (LCM).

        Raises ValueError for a picture that is not f times as large as the latent.
        """
        emb = self.time_embedding(sinusoid(t, self.config.channels[0]).to(x.dtype))
        if self.config.pooled_dim and pooled is not None and sizes is not None:
            waves = sinusoid(sizes.flatten(), self.config.size_dim).view(len(sizes), -1)
            emb = emb + self.add_embedding(torch.cat([pooled, waves.to(pooled.dtype)], dim=-1))
        hint = self.controlnet_cond_embedding(picture.flip(1) if self.config.bgr else picture)
        if hint.shape[2:] != x.shape[2:]:
            wide, high = picture.shape[3], picture.shape[2]
            raise ValueError(
                f"a picture of {wide} x {high} pixels for a latent of {x.shape[3]} x {x.shape[2]} cells: "
                f"this ControlNet takes {self.config.factor} pixels for each cell"
            )
        x = self.conv_in(x) + hint
        skips = [x]
        for block in self.down_blocks:
            x = block(x, emb, context, skips)
        x = self.mid_block(x, emb, context)
        convs = [*self.controlnet_down_blocks, self.controlnet_mid_block]
        return [conv(made) for conv, made in zip(convs, [*skips, x], strict=True)]


def scaled(residuals: Sequence[Tensor], scale: float, *, guess: bool = False, pooled: bool = False) -> list[Tensor]:
    """Residuals times ``scale``; in guess mode the finest counts a tenth and the coarsest whole (sec. 3.4 and app.).

    ``pooled`` (of the config) takes the mean over the picture; such a net has no guess mode of its own.
    """
    if pooled:
        return [r.mean(dim=(2, 3), keepdim=True) * scale for r in residuals]
    if not guess:
        return [r * scale for r in residuals]
    return [r * w for r, w in zip(residuals, (torch.logspace(-1, 0, len(residuals)) * scale).tolist(), strict=True)]
