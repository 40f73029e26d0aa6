"""The probe: one small convolutional network that says what a picture of kirie's world shows, and where.

Residual blocks (He et al. 2016, arXiv:1512.03385) from cells of 4 x 4 pixels down to 8 x 8; one linear head per
question on the mean and maximum of the last map; a map of parts and shapes, a cell of 4 x 4 pixels each, from all three
levels, joined as in Lin et al. 2017, arXiv:1612.03144.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.kirie.canvas import PARTS
from sukashi.kirie.palette import SHAPE
from sukashi.kirie.scene import SHAPES, SIZES
from sukashi.lab.heads import HEADS

GRID = 32  # side of the map of parts
FOLD = 4  # pixels of a cell, side by side in the first channels
DENSE = {"part": len(PARTS), "shape": len(SHAPES), "colour": len(SHAPE), "size": len(SIZES), "offset": 2}
WEIGHTS = Path(__file__).parent / "probe.safetensors"


class Answers(NamedTuple):
    """Scores of every head by name (B, choices), of the map by name (B, choices, 32, 32), and features (B, D)."""

    heads: dict[str, Tensor]
    maps: dict[str, Tensor]
    features: Tensor


class Block(nn.Module):
    """Two convolutions around which the picture may pass."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = convolution(channels, channels), convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return F.relu(x + self.second(F.relu(self.first(x))))


def convolution(before: int, after: int, stride: int = 1) -> nn.Sequential:
    """3 x 3 and normalised over the batch."""
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after))


class Probe(nn.Module):
    """Pictures (B, 3, 128, 128) in [-1, 1] -> :class:`Answers`."""

    def __init__(self, channels: tuple[int, int, int] = (32, 56, 96), blocks: int = 1) -> None:
        super().__init__()
        stem = convolution(3 * FOLD**2, channels[0])
        self.levels = nn.ModuleList()
        for before, after in zip((0, *channels), channels, strict=False):
            start = convolution(before, after, 2) if before else stem
            self.levels.append(nn.Sequential(start, nn.ReLU(), *(Block(after) for _ in range(blocks))))
        self.heads = nn.Linear(2 * channels[-1], sum(len(choices) for choices in HEADS.values()))
        self.joins = nn.ModuleList([nn.Conv2d(width, channels[0], 1) for width in channels])
        self.maps = nn.Conv2d(channels[0], sum(DENSE.values()), 1)

    def forward(self, image: Tensor) -> Answers:
        """Look at pictures (B, 3, 128, 128)."""
        x = F.pixel_unshuffle(image, FOLD)  # (B, 3, 128, 128) -> (B, 48, 32, 32)
        levels = []
        for level in self.levels:
            x = level(x)
            levels.append(x)
        features = torch.cat([x.mean((2, 3)), x.amax((2, 3))], dim=1)
        scores = self.heads(features).split([len(choices) for choices in HEADS.values()], dim=1)
        side = levels[0].shape[-1]
        joins = [F.interpolate(join(level), size=side) for join, level in zip(self.joins, levels, strict=True)]
        joined = torch.stack(joins).sum(0)
        maps = self.maps(F.relu(joined)).split(list(DENSE.values()), dim=1)
        return Answers(dict(zip(HEADS, scores, strict=True)), dict(zip(DENSE, maps, strict=True)), features)


def save_probe(probe: Probe, path: Path) -> None:
    """Write the weights in float16."""
    tensors = {name: x.half() if x.is_floating_point() else x for name, x in probe.state_dict().items()}
    save_file({name: x.contiguous() for name, x in tensors.items()}, path)


def load_probe(path: Path = WEIGHTS) -> Probe:
    """The probe with trained weights, in evaluation mode; raises FileNotFoundError where there are none."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no probe at {path}; `python -m sukashi.lab.train --out DIR` trains one")
    weights = load_file(path)
    widths = [weights[f"joins.{k}.weight"].shape[1] for k in range(3)]
    blocks = sum(name.startswith("levels.0.") and name.endswith("first.0.weight") for name in weights)
    probe = Probe((widths[0], widths[1], widths[2]), blocks)
    probe.load_state_dict(weights)
    return probe.float().eval()
