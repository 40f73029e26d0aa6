"""Pictures in the pages of the site: each is made while the site is built, and lies inside its page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence

from PIL import Image


def row(pictures: Sequence[Image.Image], captions: Sequence[str] = (), width: int = 128) -> str:
    """Pictures side by side as HTML, each with its caption."""
    names = list(captions) or [""] * len(pictures)
    cells = [figure(picture, name, width) for picture, name in zip(pictures, names, strict=True)]
    return f'<div style="display:flex;flex-wrap:wrap;gap:.6rem">{"".join(cells)}</div>'


def figure(picture: Image.Image, caption: str, width: int) -> str:
    """One picture with its caption; small ones are shown in whole pixels."""
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=picture.width <= 64, quality=90)
    data = base64.b64encode(file.getvalue()).decode()
    sharp = "image-rendering:pixelated;" if picture.width <= 64 else ""
    image = f'<img alt="{caption}" src="data:image/webp;base64,{data}" style="{sharp}width:{width}px;max-width:100%">'
    return f'<figure style="margin:0;max-width:{width}px">{image}<figcaption>{caption}</figcaption></figure>'
