"""The picture of a control network: any picture -> (1, C, H, W) in [0, 1] at the size that is drawn."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

FITS = ("crop", "stretch")


def hint(
    picture: Image.Image | Tensor, width: int, height: int, *, channels: int = 3, fit: str = "crop", notes: list[str]
) -> Tensor:
    """Pixels of a control picture, (1, channels, height, width); a tensor (B, C, H, W) in [0, 1] has to fit already.

    "crop" keeps the proportions and cuts what stands over, in the middle (as ComfyUI does, and A1111 unless told
    otherwise); "stretch" does not keep them (diffusers). Lanczos. What was done is said in ``notes``.
    Raises ValueError for another ``fit`` and for a tensor of another shape.
    """
    if fit not in FITS:
        raise ValueError(f"fit is {fit!r}; accepted: {', '.join(FITS)}")
    if isinstance(picture, Tensor):
        if picture.ndim != 4 or picture.shape[1:] != (channels, height, width):
            wanted = f"(B, {channels}, {height}, {width})"
            raise ValueError(f"the control picture has the shape {tuple(picture.shape)}; {wanted} is needed here")
        return picture
    own, mode = picture.size, "RGB" if channels == 3 else "L"
    if picture.mode not in ("RGB", mode):
        notes.append(f"the control picture was of mode {picture.mode}: used as {mode}")
    picture = picture.convert(mode)
    if own != (width, height):
        cut = own[0] * height != own[1] * width
        how = {"crop": "scaled and cropped" if cut else "scaled", "stretch": "stretched" if cut else "scaled"}[fit]
        notes.append(f"the control picture was {how} from {own[0]} x {own[1]} to {width} x {height}")
        method = Image.Resampling.LANCZOS
        size = (width, height)
        picture = ImageOps.fit(picture, size, method) if fit == "crop" else picture.resize(size, method)
    values = np.asarray(picture, dtype=np.float32) / 255
    return torch.from_numpy(values.reshape(height, width, -1)).permute(2, 0, 1)[None]
