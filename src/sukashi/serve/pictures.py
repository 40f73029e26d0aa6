"""Pictures as they travel: base64 and data URLs in, bytes and data URLs out."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import warnings
from typing import Any

from PIL import Image, UnidentifiedImageError

from sukashi.metadata.picture import encode_picture
from sukashi.opening import MAX_SIDE
from sukashi.serve.errors import Refused

_DATA = re.compile(r"data:[\w.+/-]*(;[\w=.+-]+)*,", re.ASCII)
MEDIA = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
SUFFIXES = {"png": ".png", "jpeg": ".jpg", "jpg": ".jpg", "webp": ".webp"}


def decoded(text: str, what: str, pixels: int) -> bytes:
    """The bytes behind base64 or a data URL, after a look that they are a picture of at most ``pixels``.

    Raises Refused for anything else; an address is never fetched.
    """
    text = text.strip()
    if re.match(r"[a-z][a-z0-9+.-]*://", text[:40], re.IGNORECASE):
        raise Refused(
            f"{what} is an address; no address is fetched here: send the picture itself, in base64",
            param=what,
            code="address",
        )
    body = _DATA.sub("", text[:200], count=1) + text[200:]
    try:
        data = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"{what} is not base64", param=what, code="not_a_picture") from None
    check(data, what, pixels)
    return data


def check(data: bytes, what: str, pixels: int) -> tuple[int, int]:
    """Width and height of a picture, read from its header. Raises Refused for what is none or too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(data)) as picture:
                size = picture.size
                if size[0] * size[1] > pixels or max(size) > MAX_SIDE:
                    raise Refused(
                        f"{what} has {size[0]} x {size[1]} pixels; at most {pixels:,} are accepted",
                        param=what,
                        code="picture_too_large",
                        width=size[0],
                        height=size[1],
                        most=pixels,
                    )
                picture.load()
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise Refused(
            f"{what} is not a picture of a kind that can be read (PNG, JPEG, WebP ...)",
            param=what,
            code="not_a_picture",
        ) from None
    except (OSError, SyntaxError, EOFError, ValueError, IndexError, TypeError) as error:
        raise Refused(f"{what} is a damaged picture: {error}", param=what, code="damaged_picture") from None
    return size


def opened(data: bytes) -> Image.Image:
    """A picture that ``check`` has seen."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def data_url(image: Image.Image) -> str:
    """A small picture as a data URL (WebP)."""
    out = io.BytesIO()
    image.save(out, "WEBP", quality=85, method=2)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"


def as_format(png: bytes, kind: str, quality: int | None = None) -> bytes:
    """A PNG of ours in another format, with its texts; ``kind`` is "png", "jpeg", "jpg" or "webp"."""
    if kind == "png":
        return png
    image = opened(png)
    texts = dict(getattr(image, "text", {}))
    if quality is not None:
        out = io.BytesIO()
        image.convert("RGB").save(out, "WEBP" if kind == "webp" else "JPEG", quality=max(1, quality))
        return out.getvalue()
    record: dict[str, Any] | None = json.loads(texts["sukashi"]) if "sukashi" in texts else None
    return encode_picture(image.convert("RGB"), SUFFIXES[kind], parameters=texts.get("parameters"), record=record)


def base64_of(data: bytes) -> str:
    """Bytes as bare base64."""
    return base64.b64encode(data).decode()


def as_png(picture: Image.Image) -> bytes:
    """The file of a picture."""
    out = io.BytesIO()
    (picture if picture.mode in ("L", "LA", "RGB", "RGBA") else picture.convert("RGBA")).save(out, "PNG")
    return out.getvalue()
