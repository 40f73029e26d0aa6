"""What enters and leaves a pipeline: PIL pictures, arrays or tensors, and images in [-1, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from sukashi.compat.basics import Output
from sukashi.pictures import to_pictures
from sukashi.tasks.fitting import fit

KINDS = ("pil", "np", "pt", "latent")


@dataclass
class StableDiffusionPipelineOutput(Output):
    """``images``: PIL pictures, or (B, H, W, 3) as an array, or (B, 3, H, W) as a tensor, in 0..1.

    ``nsfw_content_detected`` is None: no safety checker looks at the pictures.
    """

    images: Any
    nsfw_content_detected: list[bool] | None = None


class StableDiffusionXLPipelineOutput(StableDiffusionPipelineOutput):
    """The same under SDXL's name."""


class VaeImageProcessor:
    """Turns pictures into what the autoencoder encodes, and what it decodes into pictures."""

    def __init__(self, vae_scale_factor: int = 8) -> None:
        self.cell = vae_scale_factor

    def preprocess(
        self, image: Any, height: int | None = None, width: int | None = None, *, grey: bool = False
    ) -> Tensor:
        """PIL pictures, arrays (H, W, 3) or tensors (3, H, W) in 0..1, one or several -> (B, 3, H, W) in -1..1.

        Of height and width what is not given is the picture's own, rounded down to whole latent cells. Values below 0
        are taken to be in -1..1 already; tensors of 4 channels are latents and stay as they are. ``grey`` is for
        masks: (B, 1, H, W), 0 or 1. Raises TypeError for anything else.
        """
        several = list(image) if isinstance(image, list | tuple) else [image]
        if not several or not all(isinstance(one, Image.Image | np.ndarray | Tensor) for one in several):
            kind = type(several[0]).__name__ if several else "empty list"
            raise TypeError(f"the picture is a {kind}; PIL pictures, arrays and tensors are accepted")
        if isinstance(several[0], Image.Image):
            wide, high = several[0].size
            size = width or max(wide // self.cell, 1) * self.cell, height or max(high // self.cell, 1) * self.cell
            values = [np.asarray(fit(one.convert("L" if grey else "RGB"), size), np.float32) / 255 for one in several]
            found = torch.from_numpy(np.stack([v[..., None] if grey else v for v in values])).permute(0, 3, 1, 2)
        else:
            found = torch.cat([batched(one, grey) for one in several])
            if found.shape[1] == 4:
                return found
            size = width or found.shape[3] // self.cell * self.cell, height or found.shape[2] // self.cell * self.cell
            found = found if (size[1], size[0]) == found.shape[2:] else F.interpolate(found, size=(size[1], size[0]))
        if grey:
            return (found >= 0.5).float()
        return found if float(found.min()) < 0 else 2 * found - 1

    def postprocess(self, image: Tensor, output_type: str = "pil") -> Any:
        """Images (B, 3, H, W) in -1..1 -> the kind asked for; "latent" leaves them as they are.

        Raises ValueError for another kind, and for "pil" when a value is not finite.
        """
        if output_type not in KINDS:
            raise ValueError(f"output_type is {output_type!r}; {', '.join(map(repr, KINDS))} are accepted")
        if output_type == "latent":
            return image
        image = (image * 0.5 + 0.5).clamp(0, 1)
        if output_type == "pt":
            return image
        if output_type == "np":
            return image.cpu().permute(0, 2, 3, 1).float().numpy()  # (B, H, W, 3)
        return to_pictures(image)

    @staticmethod
    def numpy_to_pil(images: Any) -> list[Image.Image]:
        """An array (B, H, W, 3) or (H, W, 3) in 0..1 -> PIL pictures."""
        batch = images[None] if images.ndim == 3 else images
        return [Image.fromarray((picture * 255).round().astype("uint8")) for picture in batch]


def batched(values: np.ndarray[Any, Any] | Tensor, grey: bool) -> Tensor:
    """An array (..., H, W, C) or a tensor (..., C, H, W), of a mask also without C -> (B, C, H, W) in float32."""
    if isinstance(values, Tensor):
        found = values[..., None, :, :] if grey and values.ndim == 2 else values
        found = found[:, None] if grey and values.ndim == 3 else found
    else:
        found = torch.from_numpy(values)
        found = found[..., None] if grey and (found.ndim == 2 or found.shape[-1] != 1) else found
        found = found.movedim(-1, -3)
    found = found[None] if found.ndim == 3 else found
    if found.ndim != 4:
        raise ValueError(f"a picture of shape {tuple(values.shape)} cannot be read; (H, W, 3) or (3, H, W) is accepted")
    return found.float()
