"""Depth to image: a picture is drawn anew with its depth kept, by 5-channel models (Stable Diffusion 2 depth)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from sukashi.beginning import Task
from sukashi.diffusion.plan import Plan
from sukashi.opening import Source, open_all, open_picture
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.settings import Settings
from sukashi.tasks.driving import Show, paired, perform, spread_over
from sukashi.tasks.fitting import drawn_size, fit
from sukashi.tasks.image import as_they_were, noised, refuse_channels

ESTIMATOR = "Intel/dpt-hybrid-midas"  # whose depth the model was trained with


def depth_to_image(
    pipe: Pipeline,
    prompt: str | Sequence[str] = "",
    *,
    image: Source | Sequence[Source],
    depth: Source | None = None,
    strength: float = 0.8,
    exact_steps: bool = False,
    show: Show = iter,
    **options: Any,
) -> Result:
    """Draw ``image`` anew, keeping the shapes that ``depth`` shows: bright is near, in any range.

    Files of 16 bits keep them; arrays and tensors (H, W) may hold any numbers. Without a depth map it is estimated by
    transformers' DPT where that is installed and its weights are beside the model or in the hub's cache. Otherwise as
    ``image_to_image``.
    Raises ValueError for a map whose proportions are not the picture's.
    """
    opened = open_all(image)
    if depth is None:
        refuse_channels(pipe, 5, "depth-to-image")  # before a second network is loaded
    notes = list(dict.fromkeys(note for each in opened for note in each.notes))
    size = drawn_size(
        opened[0].picture.size, options.get("width"), options.get("height"), pipe.vae.config.factor, notes=notes
    )
    if depth is None:
        own = own_estimator(pipe)
        maps, shown = [estimated(each.picture, own) for each in opened], None
        notes.append(f"the depth was estimated by {'the DPT of the model' if own else ESTIMATOR}")
    else:
        found, shown = read_depth(depth)
        same_proportions(found, opened[0].picture.size)
        maps = [found] * len(opened)
    pictures = [each._replace(picture=fit(each.picture, size)) for each in opened]
    extra: dict[str, Any] = {"depth": shown, "strength": strength, "exact_steps": exact_steps}
    records = [{"image": each.record} | extra for each in opened]

    def prepare(pipe: Pipeline, asked: Settings, seeds: Sequence[int], plan: Plan, said: list[str]) -> Task:
        said += notes
        _, height, width = pipe.latent_shape(*size)
        channel = torch.cat([as_channel(each, height, width, said) for each in spread_over(maps, len(seeds))])
        named: dict[str, Any] = {"name": "depth-to-image", "extra": channel.to(pipe.device)}
        return noised(pipe, asked, seeds, plan, said, pictures, records, strength, exact_steps, **named)

    options |= {"width": size[0], "height": size[1]}
    result = perform(pipe, paired(prompt, opened), prepare, show, **options)
    return result if result.calls else as_they_were(result, pictures)


def read_depth(source: Source) -> tuple[Tensor, dict[str, Any]]:
    """A depth map (1, 1, H, W) in its own range, and what a record keeps of it."""
    if isinstance(source, np.ndarray | Tensor):
        values = np.asarray(source.detach().cpu() if isinstance(source, Tensor) else source, dtype=np.float32).squeeze()
        if values.ndim == 2:
            if not np.isfinite(values).all():
                raise ValueError("the depth map holds NaN or infinity")
            return torch.from_numpy(values)[None, None], {"path": None, "pixels": ""}
    opened = open_picture(source, "depth map")
    picture = source if isinstance(source, Image.Image) else opened.picture
    if isinstance(source, str | os.PathLike):
        with Image.open(source) as file:
            picture = file.copy() if file.mode.startswith(("I", "F")) else opened.picture
    deep = picture if picture.mode.startswith(("I", "F")) else opened.picture.convert("L")
    return torch.from_numpy(np.asarray(deep, dtype=np.float32).copy())[None, None], opened.record


def same_proportions(depth: Tensor, size: tuple[int, int]) -> None:
    """Raises ValueError where a depth map (1, 1, H, W) has not the proportions of a picture of ``size``."""
    height, width = depth.shape[2:]
    if abs(width / height * size[1] / size[0] - 1) > 0.02:
        raise ValueError(
            f"the depth map is {width} x {height} and the picture {size[0]} x {size[1]}: "
            "they must have the same proportions"
        )


def as_channel(depth: Tensor, height: int, width: int, notes: list[str]) -> Tensor:
    """A depth map (1, 1, H, W) -> (1, 1, h, w), -1 at its farthest cell and 1 at its nearest, as in training."""
    cells = F.interpolate(depth, size=(height, width), mode="bicubic", align_corners=False)
    low, high = cells.amin(), cells.amax()
    if high - low <= 1e-6 * max(1.0, float(high.abs())):
        note = "the depth map is the same everywhere: it says nothing"
        notes += [note] if note not in notes else []
        return torch.full_like(cells, -1.0)
    return 2 * (cells - low) / (high - low) - 1


def own_estimator(pipe: Pipeline) -> Path | None:
    """The folder of a model that brings a DPT as ``depth_estimator/``, as depth models on the hub do; else None."""
    unet = next((Path(part.source) for part in pipe.parts.report.parts if part.name == "unet"), Path())
    return next((folder for folder in unet.parents if (folder / "depth_estimator" / "config.json").is_file()), None)


def estimated(picture: Image.Image, folder: Path | None = None) -> Tensor:
    """The depth of a picture by DPT (Ranftl et al. 2021, arXiv:2103.13413), (1, 1, H, W); never fetched from here.

    The DPT is that of the model's ``folder`` (``own_estimator``), else the one in the hub's cache.
    """
    advice = f"give a depth map (depth=...), or install transformers and fetch {ESTIMATOR}"
    try:
        from transformers import DPTForDepthEstimation, DPTImageProcessor
    except ImportError:
        raise ValueError(f"there is no depth map and transformers is not installed; {advice}") from None
    places = (folder / "feature_extractor", folder / "depth_estimator") if folder else (ESTIMATOR, ESTIMATOR)
    try:
        processor = DPTImageProcessor.from_pretrained(places[0], local_files_only=True)
        model = DPTForDepthEstimation.from_pretrained(places[1], local_files_only=True)
    except (OSError, ValueError) as error:
        where = f"{places[1]} cannot be loaded" if folder else f"{ESTIMATOR} is not in the hub's cache"
        raise ValueError(f"there is no depth map and {where}; {advice}") from error
    with torch.no_grad():
        depth: Tensor = model(**processor(images=picture, return_tensors="pt")).predicted_depth
    return depth[None]
