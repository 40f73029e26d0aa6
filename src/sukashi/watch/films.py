"""The denoising as a moving picture: GIF or animated PNG."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from sukashi.watch.recording import Recording
from sukashi.weights.tensors import write_atomically

FRAMES = 150  # at most; of longer runs every second, third, ... step
FRAME_MS = 90
LAST_MS = 1800  # the finished picture stays
COLOURS = 256
KINDS = {".gif": "GIF", ".png": "PNG", ".apng": "PNG"}


def frames(recording: Recording, which: str = "x0", k: int = 0) -> list[Image.Image]:
    """What picture k looked like ('x', 'x0', ...) at every step, and last as it was finished, all of its size.

    Raises ValueError where the recording was made without previews.
    """
    finished = recording.result.images[k]
    every = -(-len(recording) // FRAMES)
    shown = [recording.picture(i, which, k) for i in range(0, len(recording), every)]
    return [*(frame.resize(finished.size, Image.Resampling.BICUBIC) for frame in shown), finished]


def write_film(path: Path, pictures: list[Image.Image], *, overwrite: bool = False) -> None:
    """Write frames as a GIF (.gif) or an animated PNG (.png, .apng), once, the last one staying for a while.

    Raises ValueError for another suffix, FileExistsError.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path}: a film is written as {', '.join(KINDS)}")
    pictures = [picture.convert("RGB") for picture in pictures]
    durations = [*[FRAME_MS] * (len(pictures) - 1), LAST_MS]
    file = io.BytesIO()
    if kind == "GIF":
        pictures = [picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT) for picture in pictures]
    pictures[0].save(file, kind, save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    write_atomically(path, lambda out: out.write(file.getvalue()), overwrite=overwrite)
