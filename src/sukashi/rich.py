"""What result objects look like in a notebook: small, without scripts or widgets, every text escaped.

Each class here gives ``_repr_html_`` to those that inherit from it, and asks nothing but what they have anyway.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from PIL import Image

SHOWN = 256  # pixels on the longer side of a picture
MOST = 12  # pictures, or rows, before the rest is only counted
LOSSLESS = 64  # pixels; what is no larger is kept exactly
QUALITY = 80  # of WebP
CELLS = 96  # pixels, about, on the longer side of a latent


class AsText:
    """What ``str()`` says, in letters of one width."""

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


class AsPictures:
    """A ``Result``: its pictures, and below what they were made with."""

    def _repr_html_(self: Any) -> str:
        said = [f"{request.prompt} (seed {request.seed})" for request in self.requests]
        asked = self.requests[0]
        facts = [
            f"{self.model}: {self.sampler} sampler, {self.grid} grid, {asked.steps} steps, {self.calls} U-Net calls, "
            f"guidance {asked.guidance:g}, {self.seconds:.2f} s",
            *([f"not: {asked.negative_prompt}"] if asked.negative_prompt else []),
            *(f"note: {note}" for note in self.notes),
        ]
        return gallery(zip(self.images, said, strict=True)) + lines(facts)


class AsRun:
    """A ``Run`` that has not been made yet: its levels."""

    def _repr_html_(self: Any) -> str:
        asked = self.requests[0]
        facts = [f"{self.sampler} sampler, {self.grid} grid: {len(self)} steps, {self.calls} U-Net calls, not run yet"]
        rows = [(i, f"{level.t:g}", f"{level.alpha:.4f}", f"{level.sigma:.4f}") for i, level in enumerate(self.levels)]
        said = lines([f"{asked.prompt} (seed {asked.seed})", *facts, *(f"note: {note}" for note in self.notes)])
        return said + table(("level", "t", "alpha", "sigma"), rows)


class AsTokens:
    """A ``TokenTable``: a row for each token."""

    def _repr_html_(self: Any) -> str:
        rows = [
            (
                "–" if token.chunk is None else f"{token.chunk + 1}.{token.position}",
                token.piece,
                token.id,
                f"{token.weight:g}",
                f"{token.norm:.3f}",
            )
            for token in self.tokens
        ]
        cut = [f"cut off: {self.cut}"] if self.cut else []
        return table(("place", "piece", "id", "weight", "norm"), rows, most=len(rows)) + lines(cut)


class AsStep:
    """A ``Step``: the levels it went between, and its latents, one square a cell; of a batch the first picture."""

    __slots__ = ()

    def _repr_html_(self: Any) -> str:
        (x0, eps, parts), now, to = self.prediction, self.now, self.to
        latents = {f"x at t = {now.t:g}": self.x, "x0": x0, "eps": eps, **parts, f"x at t = {to.t:g}": self.x_next}
        sizes = [f"{name}, {float(z[0].float().square().mean().sqrt()):.3f}" for name, z in latents.items()]
        rows = [(name, f"{at.t:g}", f"{at.alpha:.4f}", f"{at.sigma:.4f}") for name, at in (("from", now), ("to", to))]
        said = "channels 1 to 3 as red, green and blue, grey is 0; the numbers are root mean squares"
        others = [f"picture 1 of {len(self.x)}"] if len(self.x) > 1 else []
        shown = gallery(zip([cells(z[0]) for z in latents.values()], sizes, strict=True), CELLS)
        return table(("", "t", "alpha", "sigma"), rows) + shown + lines([*others, said])


def cells(latent: Any) -> Image.Image:
    """The first channels of a latent (C, h, w), from -3 to 3, as a picture with squares for cells."""
    values = (latent[:3] if len(latent) >= 3 else latent[:1].expand(3, -1, -1)).float() / 6 + 0.5
    array = (values.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    times = max(1, CELLS // max(array.shape[:2]))
    picture = Image.fromarray(array)
    return picture.resize((times * picture.width, times * picture.height), Image.Resampling.NEAREST)


def gallery(pictures: Iterable[tuple[Image.Image, str]], side: int = SHOWN) -> str:
    """Pictures with a line below each, one beside the other."""
    found = list(pictures)
    figures = [
        f'<figure style="display:inline-block;margin:0 8px 8px 0;max-width:{side}px;vertical-align:top">'
        f'<img src="{picture_url(picture, side)}" alt="{escape(said, quote=True)}" style="max-width:100%">'
        f'<figcaption style="font-size:85%">{escape(said)}</figcaption></figure>'
        for picture, said in found[:MOST]
    ]
    return "".join(figures) + rest(len(found) - MOST)


def lines(texts: Sequence[str]) -> str:
    """Sentences, one below the other."""
    return f'<div style="font-size:90%">{"<br>".join(map(escape, texts))}</div>' if texts else ""


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], most: int = MOST) -> str:
    """A table; of many rows the first and the last."""
    shown = list(rows) if len(rows) <= most + 1 else [*rows[: most - 1], ["…"] * len(heads), rows[-1]]
    head = "".join(f"<th>{escape(str(cell))}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in shown)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def rest(count: int) -> str:
    """How many more there are."""
    return f"<div>and {count} more</div>" if count > 0 else ""


def picture_url(image: Image.Image, side: int | None = None) -> str:
    """A picture as a data URL, not longer than ``side`` pixels: PNG where it is small already, else WebP."""
    kind = "PNG" if max(image.size) <= min(LOSSLESS, side or LOSSLESS) else "WEBP"
    image = shrunk(image, side)
    file = io.BytesIO()
    image.save(file, kind, **({"optimize": True} if kind == "PNG" else {"quality": QUALITY, "method": 4}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


def shrunk(image: Image.Image, side: int | None) -> Image.Image:
    """The picture, not longer than ``side`` pixels."""
    if side is None or max(image.size) <= side:
        return image
    scale = side / max(image.size)
    width, height = (max(1, round(length * scale)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)
