"""SDXL with pictures: drawn anew, refined by its refiner, or drawn anew in a part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from sukashi.beginning import Beginning
from sukashi.compat.from_picture import FromPicture, Shape
from sukashi.compat.images import StableDiffusionXLPipelineOutput
from sukashi.compat.inpaint import Inpainting
from sukashi.compat.randomness import Generators
from sukashi.compat.stable_diffusion_xl import Pair, Prompts, Sizes, StableDiffusionXLPipeline
from sukashi.compat.text_to_image import Begun, Start
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Level


class StableDiffusionXLImg2ImgPipeline(FromPicture, StableDiffusionXLPipeline):
    """Draw a picture anew with SDXL, or go on with latents of its base: ``pipe("a cat", image=picture).images[0]``."""

    optional = ("text_encoder", "tokenizer")  # the refiner has only the second ones
    flags: ClassVar[Mapping[str, Any]] = {"force_zeros_for_empty_prompt": True, "requires_aesthetics_score": False}
    _scores: tuple[float, float] = (6.0, 2.5)
    _between: tuple[float | None, float | None] = (None, None)

    @torch.no_grad()
    def __call__(  # type: ignore[override]  # the picture has the third place in diffusers too
        self,
        prompt: Prompts = None,
        prompt_2: Prompts = None,
        image: Any = None,
        strength: float = 0.3,
        num_inference_steps: int = 50,
        *,
        denoising_start: float | None = None,
        denoising_end: float | None = None,
        original_size: Pair | None = None,
        target_size: Pair | None = None,
        negative_original_size: Pair | None = None,
        negative_target_size: Pair | None = None,
        aesthetic_score: float = 6.0,
        negative_aesthetic_score: float = 2.5,
        **options: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """As ``StableDiffusionImg2ImgPipeline``; other options are those of ``StableDiffusionXLPipeline``.

        With ``denoising_start`` (a share of the training steps) ``image`` is taken as it is, noisy, and ``strength``
        does not count; ``denoising_end`` leaves the last steps to another model. The scores are told to the refiner
        alone. Raises ValueError for shares outside 0..1.
        """
        for name, share in (("denoising_start", denoising_start), ("denoising_end", denoising_end)):
            if share is not None and not 0 < share < 1:
                raise ValueError(f"{name} is {share!r}; a number between 0 and 1 is accepted")
        self._strength, self._between = strength, (denoising_start, denoising_end)
        self._scores = aesthetic_score, negative_aesthetic_score
        height, width = self.read(image)
        sizes = all_sizes((height, width), original_size, target_size, negative_original_size, negative_target_size)
        where: dict[str, Any] = {"height": height, "width": width, "num_inference_steps": num_inference_steps}
        return super().__call__(prompt, prompt_2, **where, **sizes, **options)

    def _told_sizes(self, wanted: Sizes, unwanted: Sizes) -> tuple[list[float], list[float]]:
        """6 numbers for SDXL, 5 for its refiner; the negative corner counts for the refiner alone, as in diffusers."""
        if self._flags["requires_aesthetics_score"]:
            return tuple(  # type: ignore[return-value]  # two of them
                [*(pair[0] or ()), *pair[1], score]
                for pair, score in zip((wanted, unwanted), self._scores, strict=True)
            )
        return super()._told_sizes(wanted, (unwanted[0], wanted[1], unwanted[2]))

    def _start(self, shape: Shape, dtype: torch.dtype, generator: Generators, latents: Tensor | None) -> Start:
        noised = super()._start(shape, dtype, generator, latents)

        def start(plan: Plan, levels: list[Level]) -> Begun:
            begun, (since, until) = noised(plan, levels) if self._between[0] is None else None, self._between
            if begun is None:
                first = passed(plan, levels, since or 0)
                clean = self.clean_latents(self._picture, shape[0], dtype, generator)
                x = self.scheduler.inward(clean.float(), levels[first])
                begun = Begun(Beginning(x=x, noise=self.scheduler.noise(clean, generator)), first)
            return begun if until is None else begun._replace(last=max(begun.first, passed(plan, levels, until)))

        return start


class StableDiffusionXLInpaintPipeline(Inpainting, StableDiffusionXLImg2ImgPipeline):
    """Draw a part anew with SDXL: ``pipe("a hat", image=picture, mask_image=mask).images[0]``; white is drawn."""

    @torch.no_grad()
    def __call__(  # type: ignore[override]  # the pictures have these places in diffusers too
        self,
        prompt: Prompts = None,
        prompt_2: Prompts = None,
        image: Any = None,
        mask_image: Any = None,
        masked_image_latents: Tensor | None = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = 0.9999,
        num_inference_steps: int = 50,
        *,
        guidance_scale: float = 7.5,
        original_size: Pair | None = None,
        target_size: Pair | None = None,
        negative_original_size: Pair | None = None,
        negative_target_size: Pair | None = None,
        aesthetic_score: float = 6.0,
        negative_aesthetic_score: float = 2.5,
        **options: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """As ``StableDiffusionInpaintPipeline``, with SDXL's base (4 or 9 channels) or refiner.

        Other options are those of ``StableDiffusionXLPipeline``; ``denoising_start`` and ``denoising_end`` are not.
        """
        self._strength, self._scores = strength, (aesthetic_score, negative_aesthetic_score)
        usual = self.usual_size(width, height)
        high, wide = self.read_masked(image, mask_image, masked_image_latents, usual, padding_mask_crop)
        sizes = all_sizes((high, wide), original_size, target_size, negative_original_size, negative_target_size)
        where: dict[str, Any] = {"height": high, "width": wide, "num_inference_steps": num_inference_steps}
        where["guidance_scale"] = guidance_scale
        return StableDiffusionXLPipeline.__call__(self, prompt, prompt_2, **where, **sizes, **options)


def all_sizes(here: Pair, original: Pair | None, target: Pair | None, *unwanted: Pair | None) -> dict[str, Any]:
    """The four sizes that SDXL is told, (height, width) each; what is not given is ``here``, or as the wanted one."""
    wanted = {"original_size": original or here, "target_size": target or here}
    others = {f"negative_{name}": own or wanted[name] for name, own in zip(wanted, unwanted, strict=True)}
    return wanted | others


def passed(plan: Plan, levels: list[Level], share: float) -> int:
    """How many steps begin at or above the training step where ``share`` of them have gone by."""
    cutoff = round(plan.schedule.steps * (1 - share))
    return sum(level.t >= cutoff for level in levels[:-1])
