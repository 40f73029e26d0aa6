"""A picture changed by an instruction: InstructPix2Pix (Brooks et al. 2023, arXiv:2211.09800), 8 channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sukashi.beginning import Beginning, Guide, Task
from sukashi.diffusion.denoiser import Conditioning, ask, plain, read
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Denoise, Level, Prediction
from sukashi.nets.taesd import TAESD
from sukashi.opening import Source, open_all
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.seeds import first_noise
from sukashi.settings import Settings
from sukashi.tasks import latents
from sukashi.tasks.driving import Show, paired, perform, spread_over
from sukashi.tasks.fitting import drawn_size, fit
from sukashi.tasks.image import refuse_channels


def instruct(
    pipe: Pipeline,
    prompt: str | Sequence[str] = "",
    *,
    image: Source | Sequence[Source],
    image_guidance: float = 1.5,
    resize: str = "stretch",
    show: Show = iter,
    **options: Any,
) -> Result:
    """Change ``image`` as the prompt tells ("make it snow"), with an 8-channel model.

    ``image_guidance`` says how closely the picture is kept, ``guidance`` how closely the prompt is followed. Sizes are
    handled as in ``image_to_image``. Raises ValueError for an image guidance below 0.
    """
    if not 0 <= image_guidance < 1000:
        raise ValueError(f"image_guidance is {image_guidance!r}; a number in 0..1000 is accepted")
    if isinstance(pipe.vae, TAESD):
        raise ValueError("InstructPix2Pix reads pictures by the model's own autoencoder: load it without TAESD")
    opened = open_all(image)
    notes = list(dict.fromkeys(note for each in opened for note in each.notes))
    cell = pipe.vae.config.factor
    size = drawn_size(opened[0].picture.size, options.get("width"), options.get("height"), cell, notes=notes)
    pictures = [fit(each.picture, size, resize) for each in opened]
    records = [{"image": each.record, "image_guidance": image_guidance, "resize": resize} for each in opened]

    def prepare(pipe: Pipeline, asked: Settings, seeds: Sequence[int], plan: Plan, said: list[str]) -> Task:
        said += notes
        refuse_channels(pipe, 8, "instruct")
        shown = latents.images_of(spread_over(pictures, len(seeds)))
        # unlike every other task: the mean, and not scaled to unit variance
        given = latents.Posterior(pipe, shown, said).mean / pipe.vae.config.scale
        levels, shape = plan.levels(n := asked.numbers()[2]), given.shape[1:]

        def begin() -> Beginning:
            draw = latents.source(pipe, asked, seeds)
            return Beginning(
                x=first_noise(asked, draw, shape, pipe.device) * plan.start_scale(levels),
                noise=lambda: draw(shape),
                extra=given,
            )

        return Task(
            name="instruct",
            levels=levels,
            first=0,
            last=n,
            calls=plan.calls(n),
            begin=begin,
            options=spread_over(records, len(seeds)),
            guide=towards_both(image_guidance),
        )

    options |= {"width": size[0], "height": size[1]}
    return perform(pipe, paired(prompt, opened), prepare, show, **options)


def towards_both(image_scale: float) -> Guide:
    """Out = out_0 + s_I (out_I - out_0) + s_T (out_T - out_I): nothing, the picture, picture and prompt (eq. 3)."""

    def guide(
        unet: Callable[..., Tensor], predicts: str, wanted: Conditioning, unwanted: Conditioning, scale: float
    ) -> Denoise:
        assert unwanted.extra is not None
        if scale == 1 and image_scale == 1:
            return plain(unet, predicts, wanted)
        every = wanted + unwanted + replace(unwanted, extra=torch.zeros_like(unwanted.extra))

        def denoise(x: Tensor, level: Level) -> Prediction:
            out_t, out_i, out_0 = ask(unet, torch.cat([x, x, x]), level, every).chunk(3)
            out = out_0 + scale * (out_t - out_i) + image_scale * (out_i - out_0)
            return read(out, x, level, predicts, wanted=out_t, unwanted=out_i, nothing=out_0)

        return denoise

    return guide
