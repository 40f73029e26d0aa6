"""Pictures as people have them -> upright RGB: any file Pillow reads, arrays, tensors; every change is noted.

16-bit values are scaled, not clipped; CMYK and palettes become RGB; what is transparent is laid on white and its alpha
kept apart; of an animation the first picture is taken; the EXIF orientation is applied.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

Source = str | os.PathLike[str] | Image.Image | np.ndarray[Any, Any] | Tensor
MAX_SIDE = 16384  # pixels; a picture beyond is a mistake or an attack
WHITE = (255, 255, 255)


class Opened(NamedTuple):
    """A picture to begin from."""

    picture: Image.Image  # RGB
    alpha: Image.Image | None = None  # L, where something is transparent
    notes: tuple[str, ...] = ()
    path: str | None = None  # where it is from, absolute

    @property
    def record(self) -> dict[str, Any]:
        """What a record keeps of it: the place, and a hash of its pixels to know it again."""
        return {"path": self.path, "pixels": pixel_hash(self.picture, self.alpha)}


def open_all(sources: Source | Sequence[Source], what: str = "picture") -> list[Opened]:
    """One picture or several; a tensor (B, 3, H, W) or an array (B, H, W, 3) is B of them."""
    if isinstance(sources, Tensor | np.ndarray) and sources.ndim == 4:
        sources = list(sources)
    several: Sequence[Any] = sources if isinstance(sources, list | tuple) else [sources]
    if not several:
        raise ValueError(f"there is no {what}: the list is empty")
    return [open_picture(source, what) for source in several]


def open_picture(source: Source, what: str = "picture") -> Opened:
    """Read one picture: a path, a PIL picture, an array (H, W[, C]), or a tensor (C, H, W) in [0, 1].

    Raises FileNotFoundError, and ValueError for what is no picture, is damaged, or has a side beyond ``MAX_SIDE``.
    """
    if isinstance(source, str | os.PathLike):
        return read_file(os.fspath(source), what)
    if isinstance(source, Image.Image):
        return convert(source, f"the {what}")
    if isinstance(source, Tensor):
        source = source.detach().float().cpu().numpy()
        source = source[0] if source.ndim == 4 and len(source) == 1 else source
        if source.ndim == 3:
            source = source.transpose(1, 2, 0)  # (C, H, W) -> (H, W, C)
    if isinstance(source, np.ndarray):
        return convert(from_array(source, what), f"the {what}")
    raise ValueError(
        f"the {what} is a {type(source).__name__}; a path, a PIL picture, an array or a tensor is accepted"
    )


def read_file(name: str, what: str) -> Opened:
    """A file, read to its end."""
    path = os.path.expanduser(name)
    with open(path, "rb") as file:  # raises FileNotFoundError or IsADirectoryError with the name
        if not file.read(1):
            raise ValueError(f"{name} is empty (0 bytes)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # sides are checked here
            with Image.open(path) as picture:
                opened = convert(picture, name)
    except UnidentifiedImageError:
        raise ValueError(f"{name} is not a picture of a kind that can be read (PNG, JPEG, WebP and others)") from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} is too large: {error}") from None
    except (OSError, SyntaxError, EOFError) as error:
        raise ValueError(f"{name} is damaged: {error}") from error
    return opened._replace(path=os.path.abspath(path))


def convert(picture: Image.Image, name: str) -> Opened:
    """Any mode of Pillow's -> RGB and what was transparent."""
    notes = []
    if max(picture.size) > MAX_SIDE or min(picture.size) < 1:
        width, height = picture.size
        raise ValueError(f"{name} is {width} x {height} pixels; sides of 1 to {MAX_SIDE} are accepted")
    frames = getattr(picture, "n_frames", 1)
    if frames > 1:
        picture.seek(0)
        notes.append(f"{name} has {frames} pictures in it: the first is used")
    if picture.getexif().get(0x0112, 1) != 1:
        picture = ImageOps.exif_transpose(picture)
        notes.append(f"{name} was turned upright, as its EXIF orientation says")
    picture = eight_bits(picture)
    clear = picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info
    if clear:
        picture = picture.convert("RGBA")
        alpha = picture.getchannel("A")
        if alpha.getextrema() != (255, 255):
            notes.append(f"what is transparent in {name} was laid on white")
            flat = Image.new("RGBA", picture.size, (*WHITE, 255))
            flat.alpha_composite(picture)
            return Opened(flat.convert("RGB"), alpha, tuple(notes))
    return Opened(picture.convert("RGB"), None, tuple(notes))


def eight_bits(picture: Image.Image) -> Image.Image:
    """Modes of 16 and 32 bits a pixel as L, scaled by their range: 16-bit counts to 65535, floats to 1 (or to 255)."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture, dtype=np.float64)
    if picture.mode == "F":
        top = 1.0 if values.max(initial=0) <= 1 else 255.0
    else:
        top = 255.0 if picture.mode == "I" and values.max(initial=0) <= 255 else 65535.0
    return Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))


def from_array(values: np.ndarray[Any, Any], what: str = "picture") -> Image.Image:
    """An array (H, W) or (H, W, 1 | 3 | 4) of bytes, 16-bit numbers, or floats in [0, 1] -> PIL.

    Raises ValueError for another shape, for values that are not finite, and for floats beyond [0, 1].
    """
    if values.ndim == 3 and values.shape[-1] == 1:
        values = values[..., 0]
    if not (values.ndim == 2 or (values.ndim == 3 and values.shape[-1] in (3, 4))) or 0 in values.shape:
        raise ValueError(f"the {what} has the shape {values.shape}; (H, W) and (H, W, 3 or 4) are accepted")
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    if values.dtype == np.uint16:
        values = (values / 257).round().astype(np.uint8)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all() or values.min() < -1e-3 or values.max() > 1 + 1e-3:
            raise ValueError(f"the {what} has values in {values.min():g} .. {values.max():g}; 0 .. 1 is accepted")
        values = (values.clip(0, 1) * 255).round().astype(np.uint8)
    if values.dtype != np.uint8:
        raise ValueError(f"the {what} is an array of {values.dtype}; uint8, uint16 and floats are accepted")
    return Image.fromarray(np.ascontiguousarray(values))


def pixel_hash(picture: Image.Image, alpha: Image.Image | None = None) -> str:
    """The first 16 digits of a sha256 over size and pixels: the same for the same picture in any file."""
    digest = hashlib.sha256(f"{picture.mode} {picture.width} {picture.height}".encode())
    digest.update(picture.tobytes())
    if alpha is not None:
        digest.update(alpha.tobytes())
    return digest.hexdigest()[:16]
