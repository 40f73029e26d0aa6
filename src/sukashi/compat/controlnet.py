"""ControlNets as in diffusers: a picture of edges, depth or poses beside the prompt, for SD 1, 2 and XL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from sukashi.adapters.control.acting import controlnet_act
from sukashi.adapters.control.hint import hint
from sukashi.adapters.control.load import load_control
from sukashi.adapters.steering import Act, window
from sukashi.compat.basics import Output, say_once
from sukashi.compat.image_prompts import ImagePrompts
from sukashi.compat.images import StableDiffusionPipelineOutput, StableDiffusionXLPipelineOutput
from sukashi.compat.models import View
from sukashi.compat.stable_diffusion import StableDiffusionPipeline
from sukashi.compat.stable_diffusion_xl import Prompts, StableDiffusionXLPipeline
from sukashi.diffusion.types import Level
from sukashi.nets.controlnet import ControlNet, scaled
from sukashi.weights.files import read_json
from sukashi.weights.parts import Hold

Picture = Image.Image | Tensor | Sequence[Image.Image]


@dataclass
class ControlNetOutput(Output):
    """What is added to the U-Net: one tensor for each skip, and one for the middle."""

    down_block_res_samples: tuple[Tensor, ...]
    mid_block_res_sample: Tensor


class ControlNetModel(View):
    """A ControlNet, called as diffusers calls it."""

    net: ControlNet

    @classmethod
    def from_folder(cls, folder: Path, hold: Hold) -> ControlNetModel:
        """The ControlNet of its own folder."""
        control = load_control(folder, dtype=hold.dtype, variant=hold.variant)
        if not isinstance(control.net, ControlNet):
            raise ValueError(f"{folder} is a {control.kind}, not a ControlNet")
        return cls(control.net, read_json(folder / "config.json"))

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor,
        controlnet_cond: Tensor,
        conditioning_scale: float = 1.0,
        added_cond_kwargs: dict[str, Tensor] | None = None,
        guess_mode: bool = False,
        return_dict: bool = True,
    ) -> Any:
        """Sample (B, C, h, w), timestep () or (B,), context (B, T, D), picture (B, 3, H, W) in 0..1 -> residuals."""
        added = added_cond_kwargs or {}
        t = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        sizes = {"pooled": added.get("text_embeds"), "sizes": added.get("time_ids")}
        found = self.net(sample, t, encoder_hidden_states, controlnet_cond, **sizes)
        *down, mid = scaled(found, conditioning_scale, guess=guess_mode, pooled=self.net.config.pooled_residuals)
        return ControlNetOutput(tuple(down), mid) if return_dict else (down, mid)


class MultiControlNetModel(nn.Module):
    """Several ControlNets, each with its own picture; what they add is summed."""

    def __init__(self, controlnets: Sequence[ControlNetModel]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(controlnets)


class Controlled(ImagePrompts):
    """A pipeline that draws from words and a picture, or several with a ControlNet each."""

    controlnet: Any
    _asked: tuple[Any, ...] = ()
    _notes: Sequence[str] = ()

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> Any:
        """As ``DiffusionPipeline.from_pretrained``, with ``controlnet=``: one, several, or the folder's own."""
        given = options.pop("controlnet", None)
        if given is None:
            given = ControlNetModel.from_pretrained(
                pretrained_model_name_or_path,
                subfolder="controlnet",
                torch_dtype=options.get("torch_dtype") or options.get("dtype"),
            )
        if isinstance(given, list | tuple):
            given = MultiControlNetModel(given)
        return super().from_pretrained(pretrained_model_name_or_path, controlnet=given, **options)

    def look_at(
        self,
        image: Picture | Sequence[Picture] | None,
        size: tuple[int | None, int | None],
        scale: float | Sequence[float],
        start: float | Sequence[float],
        end: float | Sequence[float],
        guess: bool,
        copies: int,
    ) -> tuple[int, int]:
        """Keep the pictures for the run; returns height and width in pixels, where ``size`` has None the picture's own.

        Raises ValueError when there is no picture, and for lists that are not as long as there are ControlNets.
        """
        nets = list(self.controlnet.nets) if isinstance(self.controlnet, MultiControlNetModel) else [self.controlnet]
        if image is None:
            raise ValueError("this pipeline needs a picture beside the prompt: image=...")
        pictures: list[Any] = list(image) if len(nets) > 1 else [image]  # type: ignore[arg-type]  # then it is a list
        lists = [pictures]
        for value in (scale, start, end):
            lists.append(list(value) if isinstance(value, list | tuple) else [value] * len(nets))
        if any(len(values) != len(nets) for values in lists):
            counts = ", ".join(str(len(values)) for values in lists)
            raise ValueError(f"{len(nets)} ControlNets, but {counts} pictures, scales, starts and ends")
        first = pictures[0][0] if isinstance(pictures[0], list | tuple) else pictures[0]
        own = first.size if isinstance(first, Image.Image) else (first.shape[-1], first.shape[-2])
        cell = self.vae_scale_factor
        height, width = size[0] or own[1] // cell * cell, size[1] or own[0] // cell * cell
        hints = [self._hint(picture, width, height, copies) for picture in pictures]
        self._asked, self._notes = (nets, hints, *lists[1:], guess), []
        return height, width

    def _hint(self, picture: Any, width: int, height: int, copies: int) -> Tensor:
        """One picture, or one for each prompt, as (B, 3, height, width)."""
        if isinstance(picture, list | tuple):
            found = torch.cat([hint(p, width, height, fit="stretch", notes=[]) for p in picture])
        else:
            found = hint(picture, width, height, fit="stretch", notes=[])
        return found.repeat_interleave(copies, dim=0) if len(found) > 1 else found

    def _acts_of(self, levels: Sequence[Level]) -> list[Act]:
        nets, hints, scales, starts, ends, guess = self._asked
        told: dict[str, Any] = {"guess": guess, "notes": self._notes}
        return [
            *super()._acts_of(levels),
            *(
                controlnet_act(net.net, picture.to(self.device), scale, window(start, end, levels), **told)
                for net, picture, scale, start, end in zip(nets, hints, scales, starts, ends, strict=True)
            ),
        ]

    def _walk(self, *args: Any) -> Tensor:
        x = super()._walk(*args)
        for note in self._notes:
            say_once(note)
        return x


class StableDiffusionControlNetPipeline(Controlled, StableDiffusionPipeline):
    """Draw from words and a picture: ``pipe("a cat", edges).images[0]``.

    A picture of another size is stretched, as in diffusers; ``sukashi.load(...).with_control`` crops it.
    """

    part_names = (*StableDiffusionPipeline.part_names, "controlnet")

    @torch.no_grad()
    def __call__(  # type: ignore[override]  # diffusers, too, has the picture in the second place
        self,
        prompt: str | Sequence[str] | None = None,
        image: Picture | Sequence[Picture] | None = None,
        height: int | None = None,
        width: int | None = None,
        *,
        controlnet_conditioning_scale: float | Sequence[float] = 1.0,
        guess_mode: bool = False,
        control_guidance_start: float | Sequence[float] = 0.0,
        control_guidance_end: float | Sequence[float] = 1.0,
        num_images_per_prompt: int = 1,
        **options: Any,
    ) -> StableDiffusionPipelineOutput | tuple[Any, None]:
        """Draw pictures of the size of ``image``; further options are those of ``StableDiffusionPipeline``.

        With several ControlNets ``image`` is a list of pictures, and scales, starts and ends may be lists.
        Raises ValueError when there is no picture, and for lists of another length.
        """
        how = (controlnet_conditioning_scale, control_guidance_start, control_guidance_end, guess_mode)
        size = self.look_at(image, (height, width), *how, num_images_per_prompt)
        return super().__call__(prompt, *size, num_images_per_prompt=num_images_per_prompt, **options)


class StableDiffusionXLControlNetPipeline(Controlled, StableDiffusionXLPipeline):
    """The same with SDXL: ``pipe("a cat", image=edges).images[0]``."""

    part_names = (*StableDiffusionXLPipeline.part_names, "controlnet")

    @torch.no_grad()
    def __call__(  # type: ignore[override]  # diffusers, too, has the picture in the third place
        self,
        prompt: Prompts = None,
        prompt_2: Prompts = None,
        image: Picture | Sequence[Picture] | None = None,
        height: int | None = None,
        width: int | None = None,
        *,
        controlnet_conditioning_scale: float | Sequence[float] = 1.0,
        guess_mode: bool = False,
        control_guidance_start: float | Sequence[float] = 0.0,
        control_guidance_end: float | Sequence[float] = 1.0,
        num_images_per_prompt: int = 1,
        **options: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """As ``StableDiffusionControlNetPipeline``; further options are those of ``StableDiffusionXLPipeline``."""
        how = (controlnet_conditioning_scale, control_guidance_start, control_guidance_end, guess_mode)
        size = self.look_at(image, (height, width), *how, num_images_per_prompt)
        return super().__call__(prompt, prompt_2, *size, num_images_per_prompt=num_images_per_prompt, **options)
