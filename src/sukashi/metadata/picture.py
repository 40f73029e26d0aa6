"""Pictures into files: whole or not at all, never over another file unasked, and the same bytes for the same input."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from sukashi.metadata.texts import EXIF_IFD, MAKER_NOTE, OUR_NOTE, USER_COMMENT

MAX_EXIF = 65_533 - 6  # bytes of a JPEG segment, less "Exif\0\0"


def save_picture(
    image: Image.Image,
    path: str | Path,
    *,
    parameters: str | None = None,
    record: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write ``image`` as PNG, JPEG (quality 95, full colour) or WebP (lossless), as the suffix of ``path`` says.

    ``parameters`` is A1111's text, kept where A1111 keeps it (PNG: a text of that name; else EXIF UserComment).
    ``record`` is our own JSON (PNG: the text "sukashi"; else EXIF MakerNote). The file appears under its name only
    when it is complete; missing folders are made. Nothing that came with ``image`` (EXIF, ICC) is written.

    Raises FileExistsError when there is a file of that name with anything in it (an empty one is a name kept by
    ``free_path``) and not ``overwrite``; ValueError for a suffix, colour mode or text that the format cannot hold.
    """
    path = Path(path)
    data = encode_picture(image, path.suffix, parameters=parameters, record=record)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of 32 letters whatever the name of the picture, which may already be as long as the file system allows.
    unfinished = path.parent / f".sukashi-{secrets.token_hex(8)}.tmp"
    try:
        with unfinished.open("xb") as file:
            file.write(data)
        if overwrite or _is_empty(path):
            os.replace(unfinished, path)
        else:
            _move_to_new(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def encode_picture(
    image: Image.Image,
    suffix: str,
    *,
    parameters: str | None = None,
    record: Mapping[str, Any] | None = None,
) -> bytes:
    """The bytes that ``save_picture`` writes; ``suffix`` is ".png", ".jpg", ".jpeg" or ".webp"."""
    encode = _ENCODERS.get(suffix.lower())
    if encode is None:
        raise ValueError(f"pictures are saved as {', '.join(_ENCODERS)}; {suffix!r} is none of these")
    try:
        comment = "" if parameters is None else parameters
        comment.encode("utf-8")
        note = "" if record is None else json.dumps(dict(record), ensure_ascii=False, allow_nan=False)
        note.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"the text {error.object[:60]!r} has half a character (a lone surrogate) in it") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"the record cannot be written as JSON: {error}") from error
    plain = image.copy()
    plain.info = {key: image.info[key] for key in ("transparency",) if key in image.info}
    out = io.BytesIO()
    try:
        encode(plain, out, comment, note)
    except (OSError, SystemError) as error:
        size = f"{image.width} x {image.height}"
        raise ValueError(f"a picture of {size}, mode {image.mode} cannot be written as {suffix}: {error}") from error
    return out.getvalue()


def free_path(folder: str | Path, stem: str, suffix: str) -> Path:
    """The next free name ``stem-0001.suffix``, ``-0002``, ... in ``folder``, kept by creating an empty file there.

    Two processes never get the same name. ``save_picture`` fills the empty file; who does not, removes it.
    """
    if Path(stem + suffix).name != stem + suffix or not stem:
        raise ValueError(f"{stem + suffix!r} is not the name of a file in a folder")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    numbered = re.compile(rf"{re.escape(stem)}-(\d{{1,9}}){re.escape(suffix)}")
    taken = (int(match[1]) for match in map(numbered.fullmatch, os.listdir(folder)) if match)
    number = max(taken, default=0)
    while True:
        number += 1
        path = folder / f"{stem}-{number:04d}{suffix}"
        with contextlib.suppress(FileExistsError):
            path.open("xb").close()
            return path


def _is_empty(path: Path) -> bool:
    try:
        return path.is_file() and path.stat().st_size == 0
    except FileNotFoundError:
        return False


def _move_to_new(source: Path, target: Path) -> None:
    """Rename, failing when the target exists, in one step that nobody can come between."""
    try:
        try:
            os.link(source, target)  # the caller removes the other name
        except FileExistsError:
            raise
        except (OSError, NotImplementedError, AttributeError):  # no links here: keep the name, then replace it
            target.open("xb").close()
            os.replace(source, target)
    except FileExistsError:
        raise FileExistsError(f"{target} exists; it is not overwritten unless asked for") from None


def _png(image: Image.Image, out: io.BytesIO, comment: str, note: str) -> None:
    texts = PngInfo()
    for key, text in (("parameters", comment), ("sukashi", note)):
        if text and text.isascii():
            texts.add_text(key, text)
        elif text:  # not Latin-1 in tEXt, which some readers take for UTF-8
            texts.add_itxt(key, text)
    image.save(out, "PNG", pnginfo=texts, compress_level=6)


def _jpeg(image: Image.Image, out: io.BytesIO, comment: str, note: str) -> None:
    if image.mode not in ("RGB", "L"):
        raise ValueError(f"a JPEG cannot hold a picture of mode {image.mode}; convert it to RGB or save it as PNG")
    exif = _exif(comment, note)
    if len(exif) > MAX_EXIF:
        raise ValueError(f"the recipe takes {len(exif):,} bytes and a JPEG holds {MAX_EXIF:,}; save it as PNG")
    image.save(out, "JPEG", quality=95, subsampling=0, exif=exif)


def _webp(image: Image.Image, out: io.BytesIO, comment: str, note: str) -> None:
    if image.mode not in ("RGB", "RGBA"):
        raise ValueError(f"a WebP cannot hold a picture of mode {image.mode}; convert it to RGB or save it as PNG")
    image.save(out, "WEBP", lossless=True, exact=True, quality=80, method=4, exif=_exif(comment, note))


def _exif(comment: str, note: str) -> bytes:
    tags: dict[int, bytes] = {}
    if comment:
        tags[USER_COMMENT] = b"UNICODE\0" + comment.encode("utf-16-be")
    if note:
        tags[MAKER_NOTE] = OUR_NOTE + note.encode("utf-8")
    exif = Image.Exif()
    exif[EXIF_IFD] = tags
    return exif.tobytes() if tags else b""


_ENCODERS: dict[str, Callable[[Image.Image, io.BytesIO, str, str], None]] = {
    ".png": _png,
    ".jpg": _jpeg,
    ".jpeg": _jpeg,
    ".webp": _webp,
}
