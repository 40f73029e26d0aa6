"""A run as one page that needs nothing else: ``sukashi explain "a prompt" -o report.html``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from sukashi.opening import open_all
from sukashi.pictures import to_pictures
from sukashi.watch.export import BUDGET, view
from sukashi.watch.page import page
from sukashi.watch.recording import Recording, record
from sukashi.weights.tensors import write_atomically

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline, Prompt

SMALL = 256 * 256  # pixels; up to here the autoencoder is quick enough to decode every step
DECODED = 6  # steps that it decodes of larger pictures
TOTAL = 9_000_000  # characters of a whole report at most, beside the page's own


def explain(pipe: Pipeline, prompt: Prompt = "", *, previews: str = "auto", **options: Any) -> Recording:
    """``record`` of any task, with previews that suit the size: 'vae' for small pictures, else 'linear'."""
    if previews == "auto":
        usual = open_all(options["image"])[0].picture.size if options.get("image") is not None else pipe.size
        width, height = options.get("width") or usual[0], options.get("height") or usual[1]
        previews = "vae" if width * height <= SMALL else "linear"
    return record(pipe, prompt, previews=previews, **options)


def decoded(pipe: Pipeline, recording: Recording, k: int = 0, count: int = DECODED) -> dict[int, Image.Image]:
    """The guess of ``count`` steps, the first and the last among them, decoded by the whole autoencoder; by step."""
    last = len(recording) - 1
    chosen = sorted({round(i * last / max(1, count - 1)) for i in range(count)})
    found = {}
    for i in chosen:
        latents = recording.latents(i, "x0")[k : k + 1].to(pipe.device, pipe.dtype)
        found[i] = to_pictures(pipe.vae_decode(latents).cpu())[0]
    return found


def report(recordings: Sequence[Recording], pipe: Pipeline | None = None, *, language: str = "en") -> str:
    """A page of one recording, or of two side by side with one cursor.

    With ``pipe`` some steps are decoded wholly where previews are not pictures of full size. Raises ValueError for
    more than two, and for one without a step.
    """
    if not 1 <= len(recordings) <= 2:
        raise ValueError(f"{len(recordings)} recordings; a report shows one, or two side by side")
    views: list[Mapping[str, Any]] = []
    for recording in recordings:
        if not len(recording):
            raise ValueError(f"there is nothing to see: {'; '.join(recording.result.notes) or 'no step was run'}")
        full = decoded(pipe, recording) if pipe is not None and coarse(recording) else None
        views.append(view(recording, budget=min(BUDGET, TOTAL / (1.5 * len(recordings))), full=full))
    return page(views[0], compare=views[1] if len(views) > 1 else None, language=language)


def coarse(recording: Recording) -> bool:
    """Whether previews are smaller than the picture, or missing."""
    return recording.preview is None or recording.picture(0).size != recording.result.images[0].size


def write_report(path: Path, text: str, *, overwrite: bool = False) -> int:
    """Write a page; returns its size in bytes. Raises FileExistsError."""
    data = text.encode()
    write_atomically(path, lambda file: file.write(data), overwrite=overwrite)
    return len(data)
