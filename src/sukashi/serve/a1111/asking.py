"""From A1111's fields to ours."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from sukashi.diffusion.names import plain, split
from sukashi.metadata.a1111 import read_infotext
from sukashi.opening import open_picture
from sukashi.serve.a1111.fields import Drawing, Img2Img, Txt2Img
from sukashi.serve.a1111.options import Chosen
from sukashi.serve.errors import Refused
from sukashi.serve.pictures import as_png, decoded, opened
from sukashi.tasks.fitting import fit

RESIZE = {0: "stretch", 1: "crop", 2: "fill", 3: "stretch"}
FILL = {0: "fill", 1: "original", 2: "noise", 3: "nothing"}
ENLARGERS = {"lanczos": "lanczos", "nearest": "nearest", "latentbicubic": "bicubic", "latentnearest": "nearest"}


@dataclass
class Asked:
    """A request in our words, and what of it could not be followed."""

    task: str = "text-to-image"
    values: dict[str, Any] = field(default_factory=dict)
    inputs: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    controls: list[dict[str, Any]] = field(default_factory=list)


def common(body: Drawing, chosen: Chosen) -> Asked:
    """What both kinds of request say. Raises Refused as A1111 does: 404 for samplers, 422 for scripts."""
    refuse_scripts(body)
    body = with_infotext(body)
    sampler, grid = sampler_of(body.sampler_name or body.sampler_index, body.scheduler)
    values: dict[str, Any] = {
        "prompt": styled(body.prompt),
        "negative_prompt": body.negative_prompt or None,
        "width": body.width,
        "height": body.height,
        "steps": body.steps,
        "guidance": body.cfg_scale,
        "sampler": sampler,
        "grid": grid,
        "seed": body.seed if body.seed is not None and body.seed >= 0 else None,
        "count": (body.batch_size or 1) * (body.n_iter or 1),
        "clip_skip": chosen.clip_skip,
        "rng": chosen.rng,
        "emphasis": chosen.emphasis,
        "seamless": "xy" if body.tiling else "",
    }
    asked = Asked(values=values)
    if body.subseed_strength:
        subseed = body.subseed if body.subseed is not None and body.subseed >= 0 else None
        values |= {"variation": float(body.subseed_strength), "variation_seed": subseed}
    if body.eta is not None:
        if sampler and split(sampler)[0] == "ddim":
            values["eta"] = float(body.eta)
        else:
            asked.notes.append("eta is followed by DDIM only")
    for name, given in (
        ("restore_faces", body.restore_faces),
        ("refiner_checkpoint", body.refiner_checkpoint),
        ("styles", body.styles),
        ("seed_resize_from", (body.seed_resize_from_h or 0) > 0 or (body.seed_resize_from_w or 0) > 0),
    ):
        if given:
            asked.notes.append(f"{name} is not followed here")
    return asked


def styled(prompt: str | None) -> str:
    """The prompt; null is empty."""
    return prompt or ""


def refuse_scripts(body: Drawing) -> None:
    """There are no scripts but ControlNet: naming one is an error there too."""
    if body.script_name:
        raise Refused(f"Script '{body.script_name}' not found", 422, param="script_name")
    for name, script in (body.alwayson_scripts or {}).items():
        if plain(name) == "controlnet":
            continue
        if script and (not isinstance(script, dict) or script.get("args")):
            raise Refused(f"always on script {name} not found", 422, param="alwayson_scripts")


def sampler_of(name: str | None, scheduler: str | None) -> tuple[str | None, str | None]:
    """Sampler and grid; one without a schedule has A1111's own for it. Raises Refused (404), "Sampler not found"."""
    if name is None or plain(name) == "automatic":
        return None, None if scheduler is None or plain(scheduler) == "automatic" else scheduler
    try:
        key, grid = split(name)
    except ValueError:
        raise Refused("Sampler not found", 404, param="sampler_name") from None
    return key, grid if grid and (scheduler is None or plain(scheduler) == "automatic") else scheduler or "automatic"


def with_infotext(body: Drawing) -> Drawing:
    """``infotext`` fills every field that was not set."""
    if not body.infotext:
        return body
    recipe = read_infotext(body.infotext, "infotext")
    given = {
        "prompt": recipe.prompt,
        "negative_prompt": recipe.negative_prompt,
        "steps": recipe.steps,
        "cfg_scale": recipe.guidance,
        "sampler_name": recipe.sampler,
        "scheduler": recipe.grid,
        "seed": recipe.seed,
        "width": recipe.width,
        "height": recipe.height,
        "denoising_strength": recipe.denoising_strength,
    }
    new = {
        name: value for name, value in given.items() if value not in (None, "") and name not in body.model_fields_set
    }
    return body.model_copy(update=new)


def from_words(body: Txt2Img, chosen: Chosen) -> Asked:
    """txt2img; with ``enable_hr`` in two passes."""
    asked = common(body, chosen)
    if not body.enable_hr:
        return asked
    asked.task = "two-pass"
    scale = float(body.hr_scale or 2.0)
    if (body.hr_resize_x or body.hr_resize_y) and body.width and body.height:
        scale = max((body.hr_resize_x or 0) / body.width, (body.hr_resize_y or 0) / body.height)
    strength = 0.75 if body.denoising_strength is None else float(body.denoising_strength)
    asked.values |= {"scale": scale, "strength": strength, "second_steps": body.hr_second_pass_steps or None}
    if body.hr_upscaler:
        found = ENLARGERS.get(plain(body.hr_upscaler))
        asked.values["enlarger"] = found or "lanczos"
        if found is None and plain(body.hr_upscaler) != "latent":
            asked.notes.append(f"hr_upscaler {body.hr_upscaler!r} is not here: lanczos is used")
    return asked


def from_picture(body: Img2Img, chosen: Chosen, pixels: int) -> Asked:
    """img2img; with a mask, inpainting. Raises Refused (404) without a picture, as A1111 does."""
    if not body.init_images:
        raise Refused("Init image not found", 404, param="init_images")
    picture = decoded(body.init_images[0], "init_images", pixels)
    asked = common(body, chosen)
    if len(body.init_images) > 1:
        asked.notes.append(f"{len(body.init_images)} init_images were sent: the first is used")
    strength = 0.75 if body.denoising_strength is None else float(body.denoising_strength)
    asked.values["strength"] = strength
    resize = RESIZE.get(body.resize_mode or 0, "stretch")
    if body.mask is None:
        asked.task, asked.inputs = "image-to-image", {"picture": picture}
        asked.values["resize"] = resize
        return asked
    asked.task, mask = "inpaint", opened(decoded(body.mask, "mask", pixels))
    alpha = mask.mode in ("RGBA", "LA") and mask.getchannel("A").getextrema() != (255, 255)
    inverted = bool(body.inpainting_mask_invert)
    repaint = ("transparent" if inverted else "opaque") if alpha else ("black" if inverted else "white")
    blur = max(body.mask_blur or 0, body.mask_blur_x or 0, body.mask_blur_y or 0)
    unsaid = body.mask_blur is None and body.mask_blur_x is None and body.mask_blur_y is None
    asked.values |= {
        "repaint": repaint,
        "fill": FILL.get(body.inpainting_fill or 0, "fill"),
        "feather": 4 if unsaid else min(max(blur, 0), 64),
    }
    source = open_picture(opened(picture)).picture
    if body.inpaint_full_res:
        asked.values["only_masked"] = max(0, body.inpaint_full_res_padding or 0)
    elif body.width and body.height and (body.width, body.height) != source.size:
        if math.prod((body.width, body.height)) > pixels or min(body.width, body.height) < 1:
            raise Refused(f"{body.width} x {body.height} pixels; at most {pixels:,} are accepted here", param="width")
        size = (body.width, body.height)
        source, mask = fit(source, size, resize), fit_mask(mask, size, resize)
        asked.values |= {"width": None, "height": None}
        picture = as_png(source)
    else:
        asked.values |= {"width": None, "height": None}
    asked.inputs = {"picture": picture, "mask": as_png(mask)}
    return asked


def fit_mask(mask: Image.Image, size: tuple[int, int], resize: str) -> Image.Image:
    """A mask brought to a size as its picture is, its channels kept."""
    alpha = mask.getchannel("A") if mask.mode in ("RGBA", "LA") else None
    shown = fit(mask.convert("L"), size, resize)
    if alpha is None:
        return shown
    return Image.merge("LA", (shown, fit(alpha, size, resize)))
