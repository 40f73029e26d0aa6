"""diffusers' pipelines that draw from a picture: image-to-image, depth, x4 upscaling, InstructPix2Pix.

The picture is brought into the form that the U-Net or the noise needs, in the order in which diffusers draws its random
numbers; the run is the one of ``text_to_image``, and steps and channels are those of ``sukashi.tasks``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from sukashi.beginning import Beginning
from sukashi.compat.images import StableDiffusionPipelineOutput
from sukashi.compat.models import DiagonalGaussianDistribution
from sukashi.compat.randomness import Generators, randn
from sukashi.compat.stable_diffusion import StableDiffusionPipeline
from sukashi.compat.text_to_image import Begun, Start, TextToImage
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Level
from sukashi.precision import guarded
from sukashi.tasks.depth import as_channel, estimated
from sukashi.tasks.instruct import towards_both
from sukashi.tasks.strength import steps_of

Prompts = str | Sequence[str] | None
Drawn = StableDiffusionPipelineOutput | tuple[Any, None]
Shape = tuple[int, int, int, int]


class FromPicture(TextToImage):
    """A pipeline that begins from a picture beside the prompt."""

    _picture: Tensor  # (B, 3, H, W) in -1..1, or latents (B, 4, h, w), of the run that is on
    _strength: float = 1.0

    def read(self, image: Any, height: int | None = None, width: int | None = None) -> tuple[int, int]:
        """Keep the picture for the run; returns height and width in pixels. Raises ValueError when there is none."""
        if image is None:
            raise ValueError("this pipeline needs a picture beside the prompt: image=...")
        self._picture = self.image_processor.preprocess(image, height, width)
        cell = self.vae_scale_factor if self._picture.shape[1] == 4 else 1
        return self._picture.shape[2] * cell, self._picture.shape[3] * cell

    def posterior(self, images: Tensor) -> DiagonalGaussianDistribution:
        """Images (B, 3, H, W) in -1..1 -> what the autoencoder makes of them, unscaled."""
        notes: list[str] = []
        encode = guarded(self.vae, lambda vae, x: torch.cat(vae.net.posterior(x), dim=1), "autoencoder", notes)
        mean, std = encode(images.to(self.device)).chunk(2, dim=1)
        return DiagonalGaussianDistribution(mean, std)

    def clean_latents(self, images: Tensor, count: int, dtype: torch.dtype, generator: Generators) -> Tensor:
        """Images or latents -> scaled latents (count, C, h, w); one sample of each image, repeated."""
        if images.shape[1] == 4:
            return repeated(images.to(self.device, dtype), count)
        one_each = isinstance(generator, list | tuple) and len(generator) > 1
        found = self.posterior(repeated(images, count) if one_each else images).sample(generator)
        return repeated(found.to(dtype) * self.vae.config.scaling_factor, count)

    def _start(self, shape: Shape, dtype: torch.dtype, generator: Generators, latents: Tensor | None) -> Start:
        """The picture with noise, where the last ``strength`` of the steps begins."""

        def start(plan: Plan, levels: list[Level]) -> Begun:
            total, run = steps_of(len(levels) - 1, self._strength, False, plan.schedule.steps)
            clean = self.clean_latents(self._picture, shape[0], dtype, generator)
            noise = randn(clean.shape, generator, self.device, dtype)
            level = plan.begin(levels, total - run) if run else levels[-1]
            x = level.alpha * clean + level.sigma * noise
            source = self.scheduler.noise(clean, generator)
            return Begun(Beginning(x=x, noise=source, extra=self._beside(shape)), total - run)

        return start

    def _beside(self, shape: Shape) -> Tensor | None:
        """Channels beside the latent (B, C', h, w)."""
        return None


class StableDiffusionImg2ImgPipeline(FromPicture, StableDiffusionPipeline):
    """Draw a picture anew: ``pipe("a cat", image=picture, strength=0.6).images[0]``."""

    @torch.no_grad()
    def __call__(  # type: ignore[override]  # the picture has the second place in diffusers too
        self,
        prompt: Prompts = None,
        image: Any = None,
        strength: float = 0.8,
        num_inference_steps: int = 50,
        **options: Any,
    ) -> Drawn:
        """Runs int(num_inference_steps * strength) steps at the picture's size, rounded down to whole latent cells.

        ``image``: PIL pictures, arrays or tensors in 0..1, or latents. Other options are those of
        ``StableDiffusionPipeline``; at a strength that leaves no step the picture comes back through the autoencoder.
        """
        self._strength = strength
        height, width = self.read(image)
        return super().__call__(prompt, height, width, num_inference_steps, **options)


class StableDiffusionDepth2ImgPipeline(FromPicture, StableDiffusionPipeline):
    """Draw a picture anew and keep its depth: ``pipe("a cat", image=picture, depth_map=depth).images[0]``."""

    part_names = (*StableDiffusionPipeline.part_names, "depth_estimator")
    beside = (1,)
    _depths: Sequence[Tensor] = ()

    @torch.no_grad()
    def __call__(  # type: ignore[override]  # the picture has the second place in diffusers too
        self,
        prompt: Prompts = None,
        image: Any = None,
        depth_map: Tensor | None = None,
        strength: float = 0.8,
        num_inference_steps: int = 50,
        **options: Any,
    ) -> Drawn:
        """As image-to-image. ``depth_map`` (B, H, W) or (H, W) in any range: large is near.

        Without one it is estimated by transformers' DPT where that is installed and cached. Raises ValueError where it
        is not, and for a depth map of another shape.
        """
        self._strength = strength
        height, width = self.read(image)
        if depth_map is None:
            pictures = image if isinstance(image, list | tuple) else [image]
            if not all(isinstance(one, Image.Image) for one in pictures):
                raise ValueError("without depth_map the picture has to be a PIL picture, for its depth to be estimated")
            self._depths = [estimated(one) for one in pictures]
        else:
            if not isinstance(depth_map, Tensor) or depth_map.ndim not in (2, 3):
                shape = tuple(getattr(depth_map, "shape", ()))
                raise ValueError(f"depth_map has the shape {shape}; a tensor (B, H, W) or (H, W) is accepted")
            maps = depth_map[None] if depth_map.ndim == 2 else depth_map
            self._depths = [one[None, None].float().cpu() for one in maps]
        return super().__call__(prompt, height, width, num_inference_steps, **options)

    def _beside(self, shape: Shape) -> Tensor:
        cells = shape[2] // self.vae_scale_factor, shape[3] // self.vae_scale_factor
        channel = torch.cat([as_channel(one, *cells, []) for one in self._depths])
        return repeated(channel.to(self.device), shape[0])


class StableDiffusionUpscalePipeline(FromPicture, StableDiffusionPipeline):
    """Draw a picture four times as large: ``pipe("a cat", image=small).images[0]``."""

    part_names = (*StableDiffusionPipeline.part_names, "low_res_scheduler", "watermarker")
    flags: ClassVar[Mapping[str, Any]] = {"max_noise_level": 350}
    beside = (3,)
    low_res_scheduler: Any
    _noise_level: int = 20

    @torch.no_grad()
    def __call__(  # type: ignore[override]  # the picture has the second place in diffusers too
        self,
        prompt: Prompts = None,
        image: Any = None,
        num_inference_steps: int = 75,
        guidance_scale: float = 9.0,
        noise_level: int = 20,
        **options: Any,
    ) -> Drawn:
        """``noise_level`` is the training step whose noise the small picture is given; others as for words alone.

        Raises ValueError for a noise level above the model's ``max_noise_level``.
        """
        highest = self._flags["max_noise_level"]
        if isinstance(noise_level, bool) or not isinstance(noise_level, int) or not 0 <= noise_level <= highest:
            raise ValueError(f"noise_level is {noise_level!r}; a whole number in 0..{highest} is accepted")
        self._noise_level = noise_level
        height, width = (side * self.vae_scale_factor for side in self.read(image))
        return super().__call__(prompt, height, width, num_inference_steps, guidance_scale=guidance_scale, **options)

    def _start(self, shape: Shape, dtype: torch.dtype, generator: Generators, latents: Tensor | None) -> Start:
        small = self._picture.to(self.device, dtype)
        noise = randn(small.shape, generator, self.device, dtype)
        noisy = self.low_res_scheduler.add_noise(small, noise, torch.tensor([self._noise_level] * len(small)))
        told = torch.full((shape[0],), self._noise_level, device=self.device)
        extra = repeated(noisy, shape[0])
        return self._from_noise(shape, dtype, generator, latents, extra=extra, noise_level=told)


class StableDiffusionInstructPix2PixPipeline(FromPicture, StableDiffusionPipeline):
    """Change a picture as told: ``pipe("make it snow", image=picture).images[0]``."""

    beside = (4,)
    _image_guidance_scale: float = 1.5

    @property
    def image_guidance_scale(self) -> float:
        """How closely the picture is kept."""
        return self._image_guidance_scale

    @property
    def do_classifier_free_guidance(self) -> bool:
        """Whether nothing, the picture, and picture and prompt are asked for: as in diffusers."""
        return self._guidance_scale > 1 and self._image_guidance_scale >= 1

    @torch.no_grad()
    def __call__(  # type: ignore[override]  # the picture has the second place in diffusers too
        self,
        prompt: Prompts = None,
        image: Any = None,
        num_inference_steps: int = 100,
        guidance_scale: float = 7.5,
        image_guidance_scale: float = 1.5,
        **options: Any,
    ) -> Drawn:
        """At the picture's size, rounded down to whole latent cells; others as for words alone."""
        self._image_guidance_scale, self.guide = image_guidance_scale, towards_both(image_guidance_scale)
        height, width = self.read(image)
        return super().__call__(prompt, height, width, num_inference_steps, guidance_scale=guidance_scale, **options)

    def _start(self, shape: Shape, dtype: torch.dtype, generator: Generators, latents: Tensor | None) -> Start:
        given = self._picture if self._picture.shape[1] == 4 else self.posterior(self._picture).mode()
        given = repeated(given.to(self.device, dtype), shape[0])  # unscaled, unlike in every other pipeline
        return self._from_noise(shape, dtype, generator, latents, extra=given)


def repeated(x: Tensor, count: int) -> Tensor:
    """As many rows as there are pictures to draw, all of them over and over. Raises ValueError where none fit."""
    if len(x) > count or count % len(x):
        raise ValueError(f"{len(x)} pictures cannot be spread over {count} that are drawn")
    return torch.cat([x] * (count // len(x)))
