"""What is written with a picture: A1111's text, our record, the fingerprint of the weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from PIL import Image

from sukashi.diffusion.registry import SAMPLERS
from sukashi.metadata.infotext import infotext_from
from sukashi.metadata.picture import save_picture
from sukashi.outputs import Target
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.shelf import fingerprint as file_fingerprint
from sukashi.tasks.spoken_loras import spoken_loras

CHEAP = 2**26  # bytes that are hashed without being asked: a moment's work

# fmt: off
GRID_LABELS = {  # of A1111, where it has them
    "karras": "Karras", "exponential": "Exponential", "polyexponential": "Polyexponential", "uniform": "Uniform",
    "sgm_uniform": "SGM Uniform", "kl_optimal": "KL Optimal", "ays": "Align Your Steps", "ays_sdxl": "Align Your Steps",
    "simple": "Simple", "normal": "Normal", "ddim_uniform": "DDIM", "beta": "Beta",
}
# fmt: on


def save(
    result: Result,
    output: str | os.PathLike[str] | Target | None = None,
    *,
    overwrite: bool = False,
    model_hash: str | None = None,
) -> list[Path]:
    """Write every picture of a result, with A1111's ``parameters`` and our record inside; returns their paths.

    ``output`` is a file, a folder or a pattern (see ``Target``). Nothing is written half, nor over another file unless
    ``overwrite``. ``model_hash`` (see ``fingerprint``) goes into the files where it is given.
    """
    target = output if isinstance(output, Target) else Target(output, overwrite=overwrite)
    target.refuse(len(result.images))
    paths = []
    for k, image in enumerate(result.images):
        record = result.record(k) | ({"model_hash": model_hash} if model_hash else {})
        text = infotext(result, k, model_hash)

        def write(path: Path, image: Image.Image = image, text: str = text, record: dict[str, Any] = record) -> None:
            save_picture(image, path, parameters=text, record=record, overwrite=target.overwrite)

        paths.append(target.put(record["settings"]["seed"], write))
    return paths


def infotext(result: Result, k: int = 0, model_hash: str | None = None) -> str:
    """The text that A1111 would keep in picture k, with its names for samplers and schedules."""
    from sukashi import __version__

    spoken = {"sampler": sampler_label(result.sampler), "grid": grid_label(result.grid)}
    name = Path(result.model).stem if result.model.endswith((".safetensors", ".ckpt")) else Path(result.model).name
    settings, extra = result.requests[k].to_dict() | spoken, spoken_options(result, k)
    if settings["loras"] or "<" in settings["prompt"]:
        settings["prompt"], hashes = spoken_loras(result.requests[k])
        extra |= hashes
    return infotext_from(settings, model=name, model_hash=model_hash, version=__version__, extra=extra)


def spoken_options(result: Result, k: int) -> dict[str, Any]:
    """What A1111 says of a task that began from a picture, in its words."""
    options = result.options[k] if result.options else {}
    spoken: dict[str, Any] = {"Denoising strength": options.get("strength")}
    if result.task == "inpaint":
        spoken |= {"Mask blur": options.get("feather"), "Masked content": options.get("fill")}
        if options.get("only_masked") is not None:
            spoken |= {"Inpaint area": "Only masked", "Masked area padding": options["only_masked"]}
    return spoken


def sampler_label(key: str) -> str:
    """A1111's name of a sampler."""
    return SAMPLERS[key].label


def grid_label(key: str) -> str:
    """A1111's name of a schedule, or ours as a title."""
    return GRID_LABELS.get(key, key.replace("_", " ").capitalize())


def fingerprint(pipe: Pipeline) -> str | None:
    """sha256[:10] of the file that the U-Net came from, where that is one and small enough to be read in a moment."""
    source = next((Path(part.source) for part in pipe.parts.report.parts if part.name == "unet"), None)
    if source is None or not source.is_file() or source.stat().st_size > CHEAP:
        return None
    return file_fingerprint(source)
