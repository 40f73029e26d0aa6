"""Item D.7 of the listings: is the U-Net really a U? The shapes in it, seen by hooks, at full size without weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sukashi.compat import UNet2DConditionModel
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.weights.assemble import empty

SHAPES = {
    "conv_in": (2, 320, 64, 64),
    "down_blocks.0": (2, 320, 32, 32),
    "down_blocks.1": (2, 640, 16, 16),
    "down_blocks.2": (2, 1280, 8, 8),
    "down_blocks.3": (2, 1280, 8, 8),
    "mid_block": (2, 1280, 8, 8),
    "up_blocks.0": (2, 1280, 16, 16),
    "up_blocks.1": (2, 1280, 32, 32),
    "up_blocks.2": (2, 640, 64, 64),
    "up_blocks.3": (2, 320, 64, 64),
    "conv_out": (2, 4, 64, 64),
}


def test_d7_the_unet_is_a_u() -> None:
    unet = UNet2DConditionModel(empty(lambda: UNet(UNetConfig())))
    with torch.device("meta"):
        latents, context = torch.empty(2, 4, 64, 64), torch.empty(2, 77, 768)
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Any:
        def hook(module: Any, inputs: tuple[Tensor, ...], out: Tensor) -> None:
            shapes[name] = tuple(out.shape)

        return hook

    for name, module in unet.named_modules():
        if name in SHAPES:
            module.register_forward_hook(note(name))
    out = unet(latents, torch.tensor(981, device="meta"), encoder_hidden_states=context).sample
    assert shapes == SHAPES
    assert list(shapes) == list(SHAPES)  # in this order: down, across, up
    assert out.shape == latents.shape
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964
