"""Masks: white repaints. What they mean in pixels, in latent cells, and when the picture is put together again.

Everywhere in this package 1 (white) is what is drawn anew and 0 (black) is what stays, as in A1111, diffusers and
stable-diffusion.cpp. Masks by transparency are read with ``repaint="transparent"`` (the OpenAI API's) or "opaque".
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F

from sukashi.opening import Source, open_picture

POLARITIES = ("white", "black", "transparent", "opaque")
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels


def open_mask(
    source: Source, repaint: str = "white", notes: list[str] | None = None
) -> tuple[Image.Image, dict[str, Any]]:
    """A mask as L, 255 where is repainted, and what a record keeps of it; ``repaint`` says what in it means that.

    "white" and "black" read brightness; "transparent" and "opaque" the alpha channel. Raises ValueError for another
    word, and where a mask by transparency has no transparent pixel.
    """
    if repaint not in POLARITIES:
        raise ValueError(f"repaint is {repaint!r}; accepted: {', '.join(POLARITIES)}")
    opened = open_picture(source, "mask")
    if notes is not None:
        notes += [note for note in opened.notes if "laid on white" not in note]
    if repaint in ("transparent", "opaque"):
        if opened.alpha is None:
            raise ValueError(f"the mask has no transparent pixel, which repaint={repaint!r} needs")
        return (opened.alpha.point(lambda a: 255 - a) if repaint == "transparent" else opened.alpha), opened.record
    grey = opened.picture.convert("L")
    if opened.alpha is not None:  # what cannot be seen in a mask is not marked by it
        unseen = 0 if repaint == "white" else 255
        grey = Image.composite(grey, Image.new("L", grey.size, unseen), opened.alpha.point(lambda a: 255 * (a > 127)))
    return (grey.point(lambda v: 255 - v) if repaint == "black" else grey), opened.record


def same_size(mask: Image.Image, size: tuple[int, int], notes: list[str]) -> Image.Image:
    """The mask at the picture's size. Raises ValueError where its proportions are not those of the picture."""
    if mask.size == size:
        return mask
    across, down = size[0] / mask.width, size[1] / mask.height
    if abs(across / down - 1) > 0.02:
        raise ValueError(
            f"the mask is {mask.width} x {mask.height} and the picture {size[0]} x {size[1]}: "
            "they must have the same proportions"
        )
    notes.append(f"the mask was brought from {mask.width} x {mask.height} to the picture's {size[0]} x {size[1]}")
    return mask.resize(size, Image.Resampling.NEAREST)


def hard(mask: Image.Image) -> Image.Image:
    """Black and white: 255 from the middle on (0.5 and above repaint, as in diffusers)."""
    return mask.point(lambda v: 255 * (v >= 128))


def as_tensor(mask: Image.Image) -> Tensor:
    """An L mask -> (1, 1, H, W) in [0, 1]."""
    return torch.from_numpy(np.asarray(mask, dtype=np.float32) / 255)[None, None]


def cells_as_trained(mask: Tensor, cell: int) -> Tensor:
    """Mask (B, 1, H, W) -> (B, 1, h, w), the pixel at each cell's corner, as 9-channel models were trained."""
    return F.interpolate(mask, size=(mask.shape[2] // cell, mask.shape[3] // cell))


def cells_touched(mask: Tensor, cell: int) -> Tensor:
    """Mask (B, 1, H, W) -> (B, 1, h, w): each cell's highest value, so that no small mark is lost.

    diffusers takes the pixel at the corner here too; for masks along the cells it is the same.
    """
    return F.max_pool2d(mask, cell)


def cells_covered(mask: Tensor, cell: int) -> Tensor:
    """Mask (B, 1, H, W) -> (B, 1, h, w): each cell's mean, for masks with shades."""
    return F.avg_pool2d(mask, cell)


def weights(mask: Image.Image, feather: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """How much of each pixel (H, W) comes from the new picture: 0 outside the mask, rising to 1 ``feather`` pixels in.

    The ramp lies inside the mask, so that nothing outside changes; where the mask is thinner it is shorter.
    """
    inside = mask.point(lambda v: 255 * (v > 0))
    depth = np.asarray(inside, dtype=np.float64) / 255
    for _ in range(feather):
        inside = inside.filter(ImageFilter.MinFilter(3))
        if inside.getextrema() == (0, 0):
            break
        depth += np.asarray(inside, dtype=np.float64) / 255
    return depth / max(1.0, float(depth.max()))


def paste(
    original: Image.Image, drawn: Image.Image, weight: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> Image.Image:
    """Mix RGB pictures of one size by ``weight`` (H, W); where it is 0 the original's bytes stay as they are."""
    before, after = (np.asarray(p.convert("RGB"), dtype=np.float64) for p in (original, drawn))
    mixed = before + weight[..., None] * (after - before)
    return Image.fromarray(mixed.round().astype(np.uint8))


def marked_box(mask: Image.Image, padding: int, shape: tuple[int, int]) -> Box:
    """The box around the marked pixels and ``padding`` more, grown to the proportions of ``shape`` where there is room.

    As in A1111 ("only masked") and diffusers (``padding_mask_crop``). Raises ValueError for a mask without a mark.
    """
    box = mask.point(lambda v: 255 * (v > 0)).getbbox()
    if box is None:
        raise ValueError("the mask marks nothing")
    left, top, right, bottom = (
        max(0, box[0] - padding),
        max(0, box[1] - padding),
        min(mask.width, box[2] + padding),
        min(mask.height, box[3] + padding),
    )
    wanted = shape[0] / shape[1]
    if (right - left) / (bottom - top) < wanted:
        left, right = grown(left, right, round((bottom - top) * wanted), mask.width)
    else:
        top, bottom = grown(top, bottom, round((right - left) / wanted), mask.height)
    return left, top, right, bottom


def grown(low: int, high: int, length: int, limit: int) -> tuple[int, int]:
    """An interval of at least ``length`` around the given one, kept within 0 .. ``limit``."""
    length = min(max(length, high - low), limit)
    low = min(max(0, low - (length - (high - low)) // 2), limit - length)
    return low, low + length
