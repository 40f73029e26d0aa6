"""Inpainting pipelines: the white part of a mask drawn anew, as diffusers does it.

The whole picture comes back from the autoencoder; ``sukashi.tasks.inpaint`` keeps what is outside the mask byte for
byte, and finds small marks that this one, like diffusers, does not see (one pixel of each latent cell counts).
"""

from __future__ import annotations

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from sukashi.beginning import Beginning
from sukashi.compat.from_picture import Drawn, FromPicture, Prompts, Shape, repeated
from sukashi.compat.randomness import Generators
from sukashi.compat.stable_diffusion import StableDiffusionPipeline
from sukashi.compat.text_to_image import Begun, Start
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Denoise, Level
from sukashi.tasks.keeping import keep_outside
from sukashi.tasks.masks import cells_as_trained
from sukashi.tasks.strength import steps_of

Pair = tuple[int, int]


class Inpainting(FromPicture):
    """A pipeline that draws the white part of a mask anew."""

    beside = (0, 5)
    _mask: Tensor
    _hole: Tensor | None = None

    def read_masked(self, image: Any, mask: Any, hole: Tensor | None, size: Pair, crop: int | None) -> Pair:
        """Keep picture and mask for the run, brought to ``size`` (width, height); returns height and width in pixels.

        Raises ValueError without a picture or a mask, and for ``crop``.
        """
        if crop is not None:
            raise ValueError("padding_mask_crop is not here; sukashi.tasks.inpaint(..., only_masked=...) does the same")
        if mask is None:
            raise ValueError("this pipeline needs a mask, in which white is drawn anew: mask_image=...")
        if isinstance(image, Image.Image) and isinstance(mask, Image.Image):
            across, down = image.width / mask.width, image.height / mask.height
            if abs(across / down - 1) > 0.02:
                raise ValueError(f"the picture is {image.size} and the mask {mask.size}: other proportions")
        high, wide = self.read(image, size[1], size[0])
        self._mask, self._hole = self.image_processor.preprocess(mask, high, wide, grey=True), hole
        return high, wide

    def _start(self, shape: Shape, dtype: torch.dtype, generator: Generators, latents: Tensor | None) -> Start:
        """Random numbers in diffusers' order: the picture's, where it is needed, the noise, the hole's."""
        blended = self.unet.config.in_channels == shape[1]

        def start(plan: Plan, levels: list[Level]) -> Begun:
            steps, pure = len(levels) - 1, self._strength == 1
            total, run = steps_of(steps, self._strength, False, plan.schedule.steps)
            if not run:
                raise ValueError(
                    f"strength {self._strength:g} leaves none of {steps} steps; {1 / steps:.2g} leaves one"
                )
            clean = None
            if blended or (latents is None and not pure):
                clean = self.clean_latents(self._picture, shape[0], dtype, generator).float()
            unit = self._unit_latents(shape, dtype, self.device, generator, latents)
            x = unit.float() * plan.start_scale(levels)
            if clean is not None and latents is None and not pure:
                level = plan.begin(levels, total - run)
                x = level.alpha * clean + level.sigma * unit
            cells = repeated(cells_as_trained(self._mask, self.vae_scale_factor).to(self.device), shape[0])
            source = self.scheduler.noise(unit, generator)
            hole = self._emptied(shape[0], dtype, generator) if self._picture.shape[1] == 3 or not blended else None
            if not blended and hole is not None:
                extra = torch.cat([cells.to(hole), hole], dim=1)
                return Begun(Beginning(x=x, noise=source, extra=extra), total - run)

            def wrap(denoise: Denoise) -> Denoise:
                assert clean is not None
                walked = levels[total - run :]
                return keep_outside(denoise, clean, unit.float(), cells, walked, pure=pure)

            return Begun(Beginning(x=x, noise=source, wrap=wrap), total - run)

        return start

    def _emptied(self, count: int, dtype: torch.dtype, generator: Generators) -> Tensor:
        """Latents (B, 4, h, w) of the picture with a grey hole; made for every model, since it draws random numbers."""
        if self._hole is None and self._picture.shape[1] == 3:
            return self.clean_latents(self._picture * (self._mask < 0.5), count, dtype, generator)
        if self._hole is None:
            raise ValueError("with latents in place of the picture, masked_image_latents are needed too")
        return repeated(self._hole.to(self.device, dtype), count)


class StableDiffusionInpaintPipeline(Inpainting, StableDiffusionPipeline):
    """Draw a part anew: ``pipe("a hat", image=picture, mask_image=mask).images[0]``; white is drawn."""

    @torch.no_grad()
    def __call__(  # type: ignore[override]  # the pictures have these places in diffusers too
        self,
        prompt: Prompts = None,
        image: Any = None,
        mask_image: Any = None,
        masked_image_latents: Tensor | None = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = 1.0,
        num_inference_steps: int = 50,
        **options: Any,
    ) -> Drawn:
        """With 9-channel models and any 4-channel model. Picture and mask are brought to height and width.

        Without these the size is the one the model was trained at, as in diffusers. Other options are those of
        ``StableDiffusionPipeline``. Raises ValueError without a picture or a mask, for a strength that leaves no step,
        and for ``padding_mask_crop``, which ``sukashi.tasks.inpaint(only_masked=...)`` does.
        """
        size, self._strength = self.usual_size(width, height), strength
        high, wide = self.read_masked(image, mask_image, masked_image_latents, size, padding_mask_crop)
        return super().__call__(prompt, high, wide, num_inference_steps, **options)
