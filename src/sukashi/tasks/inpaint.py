"""Inpainting: a part of a picture is drawn anew, with 9-channel models and with any 4-channel model.

White repaints. What is outside the mask comes back byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from sukashi.beginning import Beginning, Task
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Denoise, Level
from sukashi.opening import Opened, Source, open_picture
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.seeds import first_noise
from sukashi.settings import Settings
from sukashi.tasks import latents, masks
from sukashi.tasks.driving import Show, paired, perform
from sukashi.tasks.filling import FILLS, spread
from sukashi.tasks.fitting import drawn_size, fit, whole_cells
from sukashi.tasks.keeping import keep_outside
from sukashi.tasks.latents import Posterior, source
from sukashi.tasks.strength import calls_of, steps_of, told

CHANNELS = (4, 9)


class Patch(NamedTuple):
    """What is drawn: a picture and its mask at the size that is drawn, and where the result goes."""

    picture: Image.Image  # RGB
    mask: Image.Image  # L, of the same size
    box: masks.Box  # of the original that it stands for
    padded: bool = False  # to whole cells, instead of brought to another size


class Wish(NamedTuple):
    """The options of inpainting that the latents depend on."""

    strength: float
    exact_steps: bool
    fill: str
    soft: bool
    paste_back: bool


def inpaint(
    pipe: Pipeline,
    prompt: str | Sequence[str] = "",
    *,
    image: Source,
    mask: Source | None = None,
    repaint: str = "white",
    strength: float = 1.0,
    exact_steps: bool = False,
    fill: str = "original",
    feather: int = 4,
    soft: bool = False,
    only_masked: int | None = None,
    paste_back: bool = True,
    show: Show = iter,
    **options: Any,
) -> Result:
    """Repaint the white part of ``mask`` in ``image``; everything else comes back byte for byte.

    Args:
        pipe: a 9-channel inpainting model, or any 4-channel model (its latents are blended).
        prompt: what to draw; several prompts are one batch.
        image: the picture. Without width and height it is drawn at its own size (edges are repeated up to whole cells
            and cut off again).
        mask: its mask; None takes what is transparent in the picture (the OpenAI API's rule without a mask).
        repaint: what repaints in the mask: "white", "black", "transparent" (OpenAI) or "opaque".
        strength: as in ``image_to_image``; at 1 the masked part begins as noise alone.
        exact_steps: run all steps at any strength.
        fill: what the masked part holds before, which shows at strengths below 1: "original", "fill" (the colours
            around), "noise" or "nothing" (grey).
        feather: width in pixels of the ramp, inside the mask, over which the new part is mixed in.
        soft: shades of the mask say how strongly each place may change (Differential Diffusion); else 0.5 and above
            repaints.
        only_masked: draw only the masked part with so many pixels around it, at the full width and height.
        paste_back: put the new part into the original; False returns the whole decoded picture.
        show: may watch the run go by.
        options: the fields of ``Settings``.

    Raises:
        ValueError: for pictures, masks and options that cannot be used.

    """
    if fill not in FILLS:
        raise ValueError(f"fill is {fill!r}; accepted: {', '.join(FILLS)}")
    for name, value in (("feather", feather), ("only_masked", only_masked)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise ValueError(f"{name} is {value!r}; a whole number of pixels from 0 on is accepted")
    opened = open_picture(image)
    notes = list(opened.notes)
    marked, mask_record = read_mask(opened, mask, repaint, soft, notes)
    record = {"image": opened.record, "mask": mask_record, "repaint": repaint, "strength": strength}
    record |= {"exact_steps": exact_steps, "fill": fill, "feather": feather, "soft": soft}
    record |= {"only_masked": only_masked, "paste_back": paste_back}
    wish = Wish(strength, exact_steps, fill, soft, paste_back)
    cell = pipe.vae.config.factor
    patch = cut(opened.picture, marked, only_masked, options.get("width"), options.get("height"), pipe.size, cell)

    def prepare(pipe: Pipeline, asked: Settings, seeds: Sequence[int], plan: Plan, said: list[str]) -> Task:
        said += notes
        return masked(pipe, asked, seeds, plan, said, patch, wish, record)

    options |= {"width": patch.picture.width, "height": patch.picture.height}
    result = perform(pipe, paired(prompt, [opened]), prepare, show, **options)
    if not result.calls:
        return replace(result, images=[opened.picture for _ in result.images])
    drawn = [put_back(opened.picture, marked, image, patch, feather, paste_back) for image in result.images]
    return replace(result, images=drawn)


def read_mask(
    opened: Opened, mask: Source | None, repaint: str, soft: bool, notes: list[str]
) -> tuple[Image.Image, dict[str, Any] | None]:
    """The mask at the picture's size, black and white unless ``soft``, and what a record keeps of it."""
    if mask is None:
        if opened.alpha is None:
            raise ValueError("there is no mask, and nothing in the picture is transparent to stand for one")
        notes.append("there is no mask: what is transparent in the picture is repainted")
        found, record = opened.alpha.point(lambda a: 255 - a), None
    else:
        found, record = masks.open_mask(mask, repaint, notes)
        found = masks.same_size(found, opened.picture.size, notes)
    found = found if soft else masks.hard(found)
    if found.getextrema() == (0, 0):
        notes.append("the mask marks nothing: the picture comes back as it is")
    return found, record


def cut(
    picture: Image.Image,
    mask: Image.Image,
    padding: int | None,
    width: int | None,
    height: int | None,
    usual: tuple[int, int],
    cell: int,
) -> Patch:
    """What is drawn, at the size it is drawn at.

    With ``padding`` that is the marked part, at width and height (else the model's ``usual`` size); without, the whole,
    at its own size with repeated edges where no size is given.
    """
    everything = (0, 0, *picture.size)
    if padding is None or mask.getextrema()[1] == 0:
        padded = whole_cells(picture, cell)
        if (width, height) in ((None, None), padded.size):
            return Patch(padded, whole_cells(mask, cell), everything, padded=True)
        size = drawn_size(picture.size, width, height, cell)
        return Patch(fit(picture, size), fit(mask, size), everything)
    size = (width or usual[0], height or usual[1])
    box = masks.marked_box(mask, padding, size)
    return Patch(fit(picture.crop(box), size), fit(mask.crop(box), size), box)


def masked(
    pipe: Pipeline,
    asked: Settings,
    seeds: Sequence[int],
    plan: Plan,
    notes: list[str],
    patch: Patch,
    wish: Wish,
    record: dict[str, Any],
) -> Task:
    """The patch as a start latent, and the mask as channels or as a wrapper."""
    channels = pipe.unet.config.in_channels
    if channels not in CHANNELS:
        kind = pipe.parts.family.title
        raise ValueError(f"{pipe.name} is a {kind} model: its U-Net takes {channels} channels; inpainting takes 4 or 9")
    n = asked.numbers()[2]
    total, run = steps_of(n, wish.strength, wish.exact_steps, plan.schedule.steps)
    run = run if patch.mask.getextrema()[1] or not wish.paste_back else 0
    if wish.strength < 1 or not run:
        notes.append(told(total, run, wish.strength, n))
    levels = plan.levels(total)
    mask = masks.as_tensor(patch.mask if wish.soft else masks.hard(patch.mask)).to(pipe.device)
    image = latents.images_of([patch.picture] * len(seeds))
    hole = Posterior(pipe, image * (mask.cpu() < 0.5), notes) if channels == 9 else None
    pure = wish.strength == 1 and run > 0
    original = Posterior(pipe, image, notes) if not pure or hole is None or wish.soft else None
    other: Posterior | None = None  # what the masked part holds before, where that is not the picture
    if wish.fill == "fill" and not pure:
        filled = spread(patch.picture, patch.mask)
        other = Posterior(pipe, latents.images_of([filled] * len(seeds)), notes)
    cell, shape = pipe.vae.config.factor, pipe.latent_shape(patch.picture.width, patch.picture.height)
    covered = masks.cells_covered(mask, cell) if wish.soft else masks.cells_touched(mask, cell)

    def begin() -> Beginning:
        """Draws in diffusers' order: the picture's posterior where it is needed, noise, the hole's posterior."""
        draw = source(pipe, asked, seeds)
        clean = original.sample(draw) if original else None
        noise = first_noise(asked, draw, shape, pipe.device)
        if clean is None or pure:
            x = noise * plan.start_scale(levels)
        else:
            held = emptied(clean if other is None else other.mean, covered, wish.fill, noise)
            x = noised_to(plan.begin(levels, total - run), held, noise) if run else held
        extra = None if hole is None else seen(mask, hole.sample(draw), cell)
        if clean is None or (hole is not None and not wish.soft):
            return Beginning(x=x, noise=lambda: draw(shape), extra=extra)

        def wrap(denoise: Denoise) -> Denoise:
            walked = levels[total - run :]
            return keep_outside(denoise, clean, noise, covered, walked, soft=wish.soft, pure=pure)

        return Beginning(x=x, noise=lambda: draw(shape), extra=extra, wrap=wrap)

    where: dict[str, Any] = {"levels": levels, "first": total - run, "last": total, "calls": calls_of(plan, total, run)}
    return Task(name="inpaint", begin=begin, options=[record] * len(seeds), **where)


def noised_to(level: Level, clean: Tensor, noise: Tensor) -> Tensor:
    """Clean latents (B, C, h, w) with noise, as they are at a level."""
    return level.alpha * clean + level.sigma * noise


def emptied(clean: Tensor, mask: Tensor, fill: str, noise: Tensor) -> Tensor:
    """The latent with noise or nothing in the masked cells, where ``fill`` says so (A1111's "latent noise/nothing")."""
    if fill == "noise":
        return clean * (1 - mask) + noise * mask
    return clean * (1 - mask) if fill == "nothing" else clean


def seen(mask: Tensor, hole: Tensor, cell: int) -> Tensor:
    """What a 9-channel model sees besides the latent: the mask, and the picture with a grey hole, (B, 5, h, w)."""
    cells = masks.cells_as_trained((mask >= 0.5).to(hole), cell)
    return torch.cat([cells.expand(len(hole), -1, -1, -1), hole], dim=1)


def put_back(
    original: Image.Image, mask: Image.Image, drawn: Image.Image, patch: Patch, feather: int, paste_back: bool
) -> Image.Image:
    """The drawn patch at its place, mixed in by the mask, or the whole decoded picture."""
    size = (patch.box[2] - patch.box[0], patch.box[3] - patch.box[1])
    part = drawn.crop((0, 0, *size)) if patch.padded else fit(drawn, size)
    out = original.copy()
    out.paste(part, patch.box[:2])
    return masks.paste(original, out, masks.weights(mask, feather)) if paste_back else out
