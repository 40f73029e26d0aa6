"""Between tensors and pictures."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def to_pictures(images: Tensor) -> list[Image.Image]:
    """Images (B, 3, H, W) or (B, 1, H, W) in [0, 1] -> PIL pictures, 8 bits a channel, rounded to the nearest value.

    Raises ValueError for values that are not finite: they are never written as a picture.
    """
    if not torch.isfinite(images).all():
        raise ValueError("the image holds NaN or infinity; a picture of it would show nothing")
    bytes_ = (images.float().clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture) for picture in bytes_]


def to_tensor(picture: Image.Image) -> Tensor:
    """PIL picture -> image (1, 3, H, W) in [0, 1]."""
    array = np.asarray(picture.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(array).permute(2, 0, 1)[None]
