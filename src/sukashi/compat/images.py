"""What leaves a pipeline: images in [-1, 1] as PIL pictures, arrays or tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from sukashi.compat.basics import Output
from sukashi.pictures import to_pictures

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
    """Turns what the autoencoder decodes into pictures."""

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
