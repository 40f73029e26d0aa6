"""Image to image: a picture is noised part of the way and denoised again (Meng et al. 2022, arXiv:2108.01073)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from sukashi.beginning import Beginning, Task
from sukashi.diffusion.plan import Plan
from sukashi.opening import Opened, Source, open_all
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.seeds import first_noise
from sukashi.settings import Settings
from sukashi.tasks import latents
from sukashi.tasks.driving import Show, paired, perform, spread_over
from sukashi.tasks.fitting import drawn_size, fit
from sukashi.tasks.latents import Posterior, source
from sukashi.tasks.strength import calls_of, steps_of, told


def image_to_image(
    pipe: Pipeline,
    prompt: str | Sequence[str] = "",
    *,
    image: Source | Sequence[Source],
    strength: float = 0.8,
    exact_steps: bool = False,
    resize: str = "stretch",
    show: Show = iter,
    **options: Any,
) -> Result:
    """Draw ``image`` anew for a prompt: int(steps * strength) of the steps, or with ``exact_steps`` all of them.

    Without width and height the picture's own are taken, rounded down to whole cells; ``resize`` says how it is brought
    to another size: "stretch", "crop" or "fill". Several images with one prompt, or one each, are one batch, all drawn
    at the size of the first. Other options are the fields of ``Settings``. At a strength that leaves no step the
    picture comes back as it is. Raises ValueError for pictures, sizes and strengths that cannot be used.
    """
    opened = open_all(image)
    own = dict.fromkeys(note for each in opened for note in each.notes)
    notes = list(own)
    cell = pipe.vae.config.factor
    size = drawn_size(opened[0].picture.size, options.get("width"), options.get("height"), cell, notes=notes)
    pictures = [each._replace(picture=fit(each.picture, size, resize)) for each in opened]
    extra = {"strength": strength, "exact_steps": exact_steps, "resize": resize}
    records = [extra | {"image": each.record} for each in opened]

    def prepare(pipe: Pipeline, asked: Settings, seeds: Sequence[int], plan: Plan, said: list[str]) -> Task:
        said += notes
        return noised(pipe, asked, seeds, plan, said, pictures, records, strength, exact_steps)

    options |= {"width": size[0], "height": size[1]}
    result = perform(pipe, paired(prompt, opened), prepare, show, **options)
    return result if result.calls else as_they_were(result, pictures)


def noised(
    pipe: Pipeline,
    asked: Settings,
    seeds: Sequence[int],
    plan: Plan,
    notes: list[str],
    pictures: Sequence[Opened],
    records: Sequence[dict[str, Any]],
    strength: float,
    exact: bool,
    *,
    name: str = "image-to-image",
    extra: Tensor | None = None,
) -> Task:
    """Pictures of the size that is drawn, noised to the level where the last ``strength`` of the steps begins.

    ``extra`` (B, C', h, w) are channels beside the latent.
    """
    refuse_channels(pipe, 4 + (0 if extra is None else extra.shape[1]), name)
    n = asked.numbers()[2]
    total, run = steps_of(n, strength, exact, plan.schedule.steps)
    notes.append(told(total, run, strength, n))
    levels = plan.levels(total)
    images = latents.images_of([each.picture for each in spread_over(pictures, len(seeds))])
    posterior = Posterior(pipe, images, notes)
    shape = posterior.mean.shape[1:]

    def begin() -> Beginning:
        draw = source(pipe, asked, seeds)
        clean = posterior.sample(draw)
        if not run:
            return Beginning(x=clean, noise=lambda: draw(shape), extra=extra)
        level = plan.begin(levels, total - run)
        x = level.alpha * clean + level.sigma * first_noise(asked, draw, shape, pipe.device)
        return Beginning(x=x, noise=lambda: draw(shape), extra=extra)

    rows = spread_over(records, len(seeds))
    where: dict[str, Any] = {"levels": levels, "first": total - run, "last": total, "calls": calls_of(plan, total, run)}
    return Task(name=name, begin=begin, options=rows, **where)


def as_they_were(result: Result, pictures: Sequence[Opened]) -> Result:
    """The result of no step at all: the pictures themselves, without the way through the autoencoder."""
    return replace(result, images=[each.picture for each in spread_over(pictures, len(result.images))])


def refuse_channels(pipe: Pipeline, wanted: int, task: str) -> None:
    """Raises ValueError where the U-Net takes another number of channels than the task gives it."""
    taken = pipe.unet.config.in_channels
    if taken != wanted:
        kind = pipe.parts.family.title
        raise ValueError(
            f"{pipe.name} is a {kind} model: its U-Net takes {taken} channels, {task} gives it {wanted} and "
            "needs a model that was trained so"
        )
