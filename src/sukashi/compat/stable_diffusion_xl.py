"""``StableDiffusionXLPipeline``: SDXL base with the arguments, defaults and results of diffusers.

Two text encoders side by side, read at the last layer but one; the second also gives one pooled vector, and the U-Net
is told sizes (Podell et al. 2023, arXiv:2307.01952, sec. 2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from sukashi.compat.basics import say_once
from sukashi.compat.image_prompts import ImagePrompts, shows_pictures
from sukashi.compat.images import StableDiffusionXLPipelineOutput
from sukashi.compat.lora import at_lora_scale
from sukashi.compat.randomness import Generators
from sukashi.compat.text_to_image import OnStepEnd, as_many

Prompts = str | Sequence[str] | None
Pair = tuple[int, int]
Sizes = tuple[Pair | None, Pair, Pair | None]  # original size, corner of the crop, target size; heights first


class StableDiffusionXLPipeline(ImagePrompts):
    """Draw from words with SDXL: ``pipe("a cat").images[0]``."""

    part_names: ClassVar[tuple[str, ...]] = (
        "vae",
        "text_encoder",
        "text_encoder_2",
        "tokenizer",
        "tokenizer_2",
        "unet",
        "scheduler",
        "image_encoder",
        "feature_extractor",
    )
    flags: ClassVar[Mapping[str, Any]] = {"force_zeros_for_empty_prompt": True}
    callback_tensors = (
        "latents",
        "prompt_embeds",
        "negative_prompt_embeds",
        "add_text_embeds",
        "add_time_ids",
        "negative_pooled_prompt_embeds",
    )
    text_encoder_2: Any
    tokenizer_2: Any

    def encode_prompt(
        self,
        prompt: Prompts,
        prompt_2: Prompts = None,
        device: torch.device | str | None = None,
        num_images_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True,
        negative_prompt: Prompts = None,
        negative_prompt_2: Prompts = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        pooled_prompt_embeds: Tensor | None = None,
        negative_pooled_prompt_embeds: Tensor | None = None,
        lora_scale: None = None,
        clip_skip: int | None = None,
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        """Prompts -> embeddings (B, T, D), positive and negative, then pooled ones (B, P), positive and negative.

        ``prompt_2`` is for the second encoder where it should be told something else. Without a negative prompt the
        negative ones are zeros where the model was trained so (``force_zeros_for_empty_prompt``), else those of the
        empty text; without guidance they are None. Embeddings that are given come with their pooled ones.
        """
        if lora_scale is not None:
            raise ValueError("lora_scale is without effect here: leave it None")
        if (prompt_embeds is None) != (pooled_prompt_embeds is None):
            raise ValueError("prompt_embeds and pooled_prompt_embeds are given together or not at all")
        if (negative_prompt_embeds is None) != (negative_pooled_prompt_embeds is None):
            raise ValueError("negative_prompt_embeds and negative_pooled_prompt_embeds are given together")
        if prompt_embeds is None or pooled_prompt_embeds is None:
            first = [prompt] if isinstance(prompt, str) else list(prompt or ())
            second = first if prompt_2 is None else [prompt_2] if isinstance(prompt_2, str) else list(prompt_2)
            self.read_cut(first, self.tokenizer or self.tokenizer_2)
            prompt_embeds, pooled_prompt_embeds = self._states(first, second, clip_skip or 0)
        count, place = len(prompt_embeds), device or self.device
        if do_classifier_free_guidance and negative_prompt_embeds is None:
            said = negative_prompt is not None or negative_prompt_2 is not None
            if not said and self._flags["force_zeros_for_empty_prompt"]:
                negative_prompt_embeds = torch.zeros_like(prompt_embeds)
                negative_pooled_prompt_embeds = torch.zeros_like(pooled_prompt_embeds)
            else:
                first = as_many(negative_prompt or "", count)
                second = as_many(negative_prompt_2 or negative_prompt or "", count)
                negative_prompt_embeds, negative_pooled_prompt_embeds = self._states(first, second, 0)

        def spread(x: Tensor | None) -> Tensor | None:
            return None if x is None else x.to(place, self.text_encoder_2.dtype).repeat_interleave(each, dim=0)

        each = num_images_per_prompt
        wanted = spread(prompt_embeds), spread(pooled_prompt_embeds)
        unwanted = (spread(negative_prompt_embeds), spread(negative_pooled_prompt_embeds))
        unwanted = unwanted if do_classifier_free_guidance else (None, None)
        return wanted[0], unwanted[0], wanted[1], unwanted[1]  # type: ignore[return-value]  # the positive ones exist

    def _states(self, first: Sequence[str], second: Sequence[str], skip: int) -> tuple[Tensor, Tensor]:
        """Prompts per encoder -> context (B, T, D1 + D2), ``skip`` layers below the last but one, pooled (B, P)."""
        contexts: list[Tensor] = []
        pooled: Tensor | None = None
        both = ((first, self.tokenizer, self.text_encoder), (second, self.tokenizer_2, self.text_encoder_2))
        alone = ((first, self.tokenizer_2, self.text_encoder_2),)  # the refiner has the second encoder only
        for prompts, tokenizer, encoder in both if self.text_encoder is not None else alone:
            ids = tokenizer(
                list(prompts),
                padding="max_length",
                max_length=tokenizer.model_max_length,
                truncation=True,
                return_tensors="pt",
            ).input_ids.to(encoder.device)
            out = encoder(ids, output_hidden_states=True)
            if not 0 <= skip < len(out.hidden_states) - 1:
                last = len(out.hidden_states) - 2
                raise ValueError(f"clip_skip is {skip!r}; 0 to {last} of this encoder's layers can be left out")
            if skip:
                last = len(out.hidden_states) - 1
                say_once(f"clip_skip={skip}: hidden layer {last - 1 - skip} of {last}, for the positive prompt")
            contexts.append(out.hidden_states[-2 - skip])
            pooled = out[0]
        assert pooled is not None
        return torch.cat(contexts, dim=-1), pooled

    def _told_sizes(self, wanted: Sizes, unwanted: Sizes) -> tuple[list[float], list[float]]:
        """What the U-Net is told of sizes, 6 numbers; the negative ones count only where all of them are given."""
        sizes = [float(side) for pair in wanted for side in pair or ()]
        told = unwanted[0] is not None and unwanted[2] is not None
        return sizes, [float(side) for pair in unwanted for side in pair or ()] if told else sizes

    @shows_pictures
    @at_lora_scale
    @torch.no_grad()
    def __call__(
        self,
        prompt: Prompts = None,
        prompt_2: Prompts = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 50,
        timesteps: Sequence[float] | None = None,
        sigmas: Sequence[float] | None = None,
        guidance_scale: float = 5.0,
        negative_prompt: Prompts = None,
        negative_prompt_2: Prompts = None,
        num_images_per_prompt: int = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        pooled_prompt_embeds: Tensor | None = None,
        negative_pooled_prompt_embeds: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
        guidance_rescale: float = 0.0,
        original_size: Pair | None = None,
        crops_coords_top_left: Pair = (0, 0),
        target_size: Pair | None = None,
        negative_original_size: Pair | None = None,
        negative_crops_coords_top_left: Pair = (0, 0),
        negative_target_size: Pair | None = None,
        clip_skip: int | None = None,
        callback_on_step_end: OnStepEnd | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Draw pictures; sizes are (height, width) in pixels. See ``StableDiffusionPipeline`` for the rest.

        Raises ValueError or TypeError for arguments that do not fit.
        """
        width, height = self.usual_size(width, height)
        count = self.check_inputs(prompt, prompt_embeds, width, height, callback_on_step_end_tensor_inputs)
        self._guidance_scale, self._guidance_rescale, self._clip_skip = guidance_scale, guidance_rescale, clip_skip
        positive, negative, pooled, negative_pooled = self.encode_prompt(
            prompt,
            prompt_2,
            self.device,
            num_images_per_prompt,
            self.do_classifier_free_guidance,
            negative_prompt,
            negative_prompt_2,
            prompt_embeds,
            negative_prompt_embeds,
            pooled_prompt_embeds,
            negative_pooled_prompt_embeds,
            clip_skip=clip_skip,
        )
        here = (height, width)
        sizes, negative_sizes = self._told_sizes(
            (original_size or here, crops_coords_top_left, target_size or here),
            (negative_original_size, negative_crops_coords_top_left, negative_target_size),
        )
        ids = torch.tensor([sizes], dtype=positive.dtype, device=self.device).repeat(len(positive), 1)  # (B, 6)
        told = {"prompt_embeds": positive, "add_text_embeds": pooled, "add_time_ids": ids}
        if negative is not None and negative_pooled is not None:  # in one batch: the negative half first
            told = {
                "prompt_embeds": torch.cat([negative, positive]),
                "add_text_embeds": torch.cat([negative_pooled, pooled]),
                "add_time_ids": torch.cat([torch.tensor([negative_sizes]).to(ids).repeat(len(positive), 1), ids]),
                "negative_prompt_embeds": negative,
                "negative_pooled_prompt_embeds": negative_pooled,
            }
        shape = (count * num_images_per_prompt, self.vae.config.latent_channels, height, width)
        clean = self.run(
            told,
            self._start(shape, positive.dtype, generator, latents),
            steps=num_inference_steps,
            timesteps=timesteps,
            sigmas=sigmas,
            eta=eta,
            callback=callback_on_step_end,
            names=callback_on_step_end_tensor_inputs,
        )
        images = self.picture(clean, output_type)
        return StableDiffusionXLPipelineOutput(images) if return_dict else (images,)
