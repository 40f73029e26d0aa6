"""Four times larger: the x4 upscaler draws a picture that, made small and noisy, is the one it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sukashi.beginning import Beginning, Guide, Task
from sukashi.diffusion.denoiser import Conditioning, guided
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.types import Denoise
from sukashi.opening import Source, open_all
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.seeds import first_noise
from sukashi.settings import Settings
from sukashi.tasks import latents
from sukashi.tasks.driving import Show, paired, perform, spread_over
from sukashi.tasks.image import refuse_channels
from sukashi.tiles import tiled

TILE, OVERLAP = 192, 32  # pixels of the small picture: below this nothing is cut


def upscale(
    pipe: Pipeline,
    prompt: str | Sequence[str] = "",
    *,
    image: Source | Sequence[Source],
    noise_level: int = 20,
    tile: int | None = None,
    show: Show = iter,
    **options: Any,
) -> Result:
    """Draw ``image`` four times as large, with a 7-channel model (Stable Diffusion x4 upscaler).

    ``noise_level`` is how much noise the small picture is given before the model sees it: more leaves it more to
    invent. Pictures larger than ``tile`` pixels a side (None: 192; 0: never) are looked at in overlapping tiles, every
    step anew, so that a large one fits into memory. Several images of one size are one batch.
    Raises ValueError for a noise level that the model was not trained with, and for a width or height.
    """
    if options.get("width") or options.get("height"):
        given = tuple(options.pop(side) for side in ("width", "height"))
        opened = open_all(image)
        wanted = tuple(4 * side for side in opened[0].picture.size)
        if given != wanted:
            raise ValueError(f"width and height are {given}; the upscaler draws four times the picture: {wanted}")
    highest = pipe.parts.family.max_noise_level
    if isinstance(noise_level, bool) or not isinstance(noise_level, int) or not 0 <= noise_level <= highest:
        raise ValueError(f"noise_level is {noise_level!r}; a whole number in 0..{highest} is accepted")
    if tile is not None and (isinstance(tile, bool) or not isinstance(tile, int) or 0 < tile < 2 * OVERLAP or tile < 0):
        raise ValueError(f"tile is {tile!r}; 0 (never) or at least {2 * OVERLAP} pixels is accepted")
    opened = open_all(image)
    notes = list(dict.fromkeys(note for each in opened for note in each.notes))
    sizes = {each.picture.size for each in opened}
    if len(sizes) > 1:
        raise ValueError(f"the pictures have different sizes ({sorted(sizes)}); upscale them one by one")
    records = [{"image": each.record, "noise_level": noise_level, "tile": tile} for each in opened]
    (width, height), factor = opened[0].picture.size, pipe.vae.config.factor
    side = TILE if tile is None else tile
    cut = side and max(width, height) > side
    if cut:
        notes.append(f"{width} x {height} pixels are looked at in tiles of {side}, {OVERLAP} of them shared")

    def prepare(pipe: Pipeline, asked: Settings, seeds: Sequence[int], plan: Plan, said: list[str]) -> Task:
        said += notes
        refuse_channels(pipe, 7, "the upscaler")
        small = latents.images_of([each.picture for each in spread_over(opened, len(seeds))]).to(pipe.device)
        level = NoiseSchedule(pipe.parts.family.low_res_scheduler).at(noise_level)
        levels, shape = plan.levels(n := asked.numbers()[2]), (4, height, width)

        def begin() -> Beginning:
            draw = latents.source(pipe, asked, seeds)
            noisy = level.alpha * small + level.sigma * draw(small.shape[1:])
            told = torch.full((len(seeds),), noise_level, device=pipe.device)
            x = first_noise(asked, draw, shape, pipe.device) * plan.start_scale(levels)
            return Beginning(x=x, noise=lambda: draw(shape), extra=noisy, noise_level=told)

        return Task(
            name="upscale",
            levels=levels,
            first=0,
            last=n,
            calls=plan.calls(n),
            begin=begin,
            options=spread_over(records, len(seeds)),
            guide=in_tiles(side, asked.rescale) if cut else None,
        )

    options |= {"width": factor * width, "height": factor * height}
    return perform(pipe, paired(prompt, opened), prepare, show, **options)


def in_tiles(side: int, rescale: float) -> Guide:
    """Guidance of a U-Net that looks at tiles; their outputs are blended at every step, so that no seam is drawn."""

    def guide(
        unet: Callable[..., Tensor], predicts: str, wanted: Conditioning, unwanted: Conditioning, scale: float
    ) -> Denoise:
        def tile_by_tile(x: Tensor, *inputs: Any, **told: Any) -> Tensor:
            return tiled(lambda part: unet(part, *inputs, **told), x, side, OVERLAP)

        return guided(tile_by_tile, predicts, wanted, unwanted, scale, rescale)

    return guide
