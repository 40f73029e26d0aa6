"""Windows into pictures: the whole, or the half around one of two figures, as large as a single figure would be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

ZOOM = 0.635  # scale of each of two figures


@dataclass(frozen=True)
class Window:
    """A square of the picture: its centre from the picture's middle and its size, as shares of half the picture."""

    x: float = 0.0
    y: float = 0.0
    size: float = 1.0

    def matrix(self) -> list[list[float]]:
        """As ``affine_grid`` wants it."""
        return [[self.size, 0.0, self.x], [0.0, self.size, self.y]]


WHOLE = Window()
LEFT, RIGHT = (Window(side * 30 / 64, (62 + 16 - 64 + 2 * ZOOM) / 64, ZOOM) for side in (-1, 1))


def look(image: Tensor, windows: list[Window], size: int, *, nearest: bool = False) -> Tensor:
    """What each window of each picture shows: (B, C, H, W) and B windows -> (B, C, size, size).

    What lies outside the picture repeats its edge. ``nearest`` is for labels, which must not be mixed.
    """
    matrices = torch.tensor([window.matrix() for window in windows], device=image.device)
    grid = F.affine_grid(matrices, [len(windows), image.shape[1], size, size], align_corners=False)
    mode = "nearest" if nearest else "bilinear"
    return F.grid_sample(image, grid, mode=mode, padding_mode="border", align_corners=False)
