"""``StableDiffusionPipeline``: Stable Diffusion 1 and 2 with the arguments, defaults and results of diffusers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from sukashi.compat.basics import say_once
from sukashi.compat.image_prompts import ImagePrompts, shows_pictures
from sukashi.compat.images import StableDiffusionPipelineOutput
from sukashi.compat.lora import at_lora_scale
from sukashi.compat.randomness import Generators
from sukashi.compat.text_to_image import OnStepEnd, as_many


class StableDiffusionPipeline(ImagePrompts):
    """Draw from words: ``pipe("a cat", num_inference_steps=30).images[0]``.

    Two things are as in diffusers and not as in ``sukashi.load``: one generator draws the noise of the whole batch, and
    ``clip_skip`` counts the layers left out (1 is the last but one) and counts for the positive prompt only.
    """

    flags: ClassVar[Mapping[str, Any]] = {"requires_safety_checker": False}

    def encode_prompt(
        self,
        prompt: str | Sequence[str] | None,
        device: torch.device | str | None = None,
        num_images_per_prompt: int = 1,
        do_classifier_free_guidance: bool = True,
        negative_prompt: str | Sequence[str] | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        lora_scale: None = None,
        clip_skip: int | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Prompts -> (positive, negative) embeddings, (B num_images_per_prompt, T, D) each.

        Without guidance the negative ones are None; without a negative prompt they are those of the empty text. One
        negative prompt serves all prompts. Raises ValueError when the numbers of prompts differ.
        """
        if lora_scale is not None:
            raise ValueError("lora_scale is without effect here: leave it None")
        device = device or self.device
        if prompt_embeds is None:
            prompts = [prompt] if isinstance(prompt, str) else list(prompt or ())
            self.read_cut(prompts, self.tokenizer)
            prompt_embeds = self._states(prompts, self.tokenizer.model_max_length, clip_skip)
        count = len(prompt_embeds)
        positive = prompt_embeds.to(device, self.text_encoder.dtype).repeat_interleave(num_images_per_prompt, dim=0)
        if not do_classifier_free_guidance:
            return positive, None
        if negative_prompt_embeds is None:
            several = as_many(negative_prompt or "", count)
            negative_prompt_embeds = self._states(several, prompt_embeds.shape[1], None)
        if negative_prompt_embeds.shape != prompt_embeds.shape:
            shapes = f"{tuple(negative_prompt_embeds.shape)} and {tuple(prompt_embeds.shape)}"
            raise ValueError(f"negative_prompt_embeds and prompt_embeds differ in shape: {shapes}")
        negative = negative_prompt_embeds.to(positive).repeat_interleave(num_images_per_prompt, dim=0)
        return positive, negative

    def _states(self, prompts: Sequence[str], length: int, clip_skip: int | None) -> Tensor:
        """Prompts -> the text encoder's last states (B, length, D), or earlier ones through the final norm."""
        ids = self.tokenizer(
            list(prompts), padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids.to(self.text_encoder.device)
        if clip_skip is None:
            states: Tensor = self.text_encoder(ids)[0]
            return states
        hidden = self.text_encoder(ids, output_hidden_states=True).hidden_states
        if not 0 <= clip_skip < len(hidden):
            raise ValueError(
                f"clip_skip is {clip_skip!r}; 0 to {len(hidden) - 1} of this encoder's layers can be left out"
            )
        last = len(hidden) - 1
        say_once(f"clip_skip={clip_skip}: hidden layer {last - clip_skip} of {last}, for the positive prompt")
        normed: Tensor = self.text_encoder.text_model.final_layer_norm(hidden[-1 - clip_skip])
        return normed

    @shows_pictures
    @at_lora_scale
    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 50,
        timesteps: Sequence[float] | None = None,
        sigmas: Sequence[float] | None = None,
        guidance_scale: float = 7.5,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
        guidance_rescale: float = 0.0,
        clip_skip: int | None = None,
        callback_on_step_end: OnStepEnd | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> StableDiffusionPipelineOutput | tuple[Any, None]:
        """Draw pictures; sizes in pixels; ``guidance_scale`` above 1 has a negative branch; ``latents`` is unit noise.

        ``callback_on_step_end(pipe, i, t, tensors)`` runs after each call of the U-Net and may return changed tensors;
        ``pipe._interrupt = True`` in it stops the run. Raises ValueError or TypeError for arguments that do not fit.
        """
        width, height = self.usual_size(width, height)
        count = self.check_inputs(prompt, prompt_embeds, width, height, callback_on_step_end_tensor_inputs)
        self._guidance_scale, self._guidance_rescale, self._clip_skip = guidance_scale, guidance_rescale, clip_skip
        positive, negative = self.encode_prompt(
            prompt,
            self.device,
            num_images_per_prompt,
            self.do_classifier_free_guidance,
            negative_prompt,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            clip_skip=clip_skip,
        )
        told = {"prompt_embeds": positive}
        if negative is not None:  # in one batch: the negative half first
            told = {"prompt_embeds": torch.cat([negative, positive]), "negative_prompt_embeds": negative}
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
        return StableDiffusionPipelineOutput(images) if return_dict else (images, None)
