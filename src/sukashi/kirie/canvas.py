"""Paper and scissors: flat shapes with a soft shadow, drawn large and shrunk; a second sheet says what is where.

Coordinates are pixels of the finished 128 x 128 picture, x to the right and y down, relative to a pen's origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from sukashi.kirie.palette import Colour

SIZE = 128
FINE = 3  # supersampling
SHADOW = (30, 20, 40, 64)
PARTS = (
    *("background", "body", "head", "hair", "face", "glasses", "hat", "food", "ship", "sun"),
    *("scarf", "shape", "moon", "cloud", "tree"),
)  # label = index
OWNER = 32  # a label also says whose part it is: 0 nobody's, 1 the first figure's or shape's, and so on

Point = tuple[float, float]
Labels = np.ndarray[tuple[int, int], np.dtype[np.uint8]]


class Canvas:
    """A sheet of 128 x 128 pixels in progress, and the label of the part that each pixel shows."""

    def __init__(self, paper: Colour, *, labels: bool = False) -> None:
        side = SIZE * FINE
        self.image = Image.new("RGB", (side, side), paper)
        self.draw = ImageDraw.Draw(self.image, "RGBA")
        self.labels = Image.new("L", (side, side), 0) if labels else None
        self.label_draw = ImageDraw.Draw(self.labels) if self.labels else None

    def picture(self) -> Image.Image:
        """The finished picture, 128 x 128."""
        return self.image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)

    def parts(self) -> Labels:
        """The label (index into :data:`PARTS`) of every pixel, (128, 128); raises ValueError when none were kept."""
        return self._labels() % OWNER

    def owners(self) -> Labels:
        """Whose part every pixel shows, (128, 128): 0 nobody's, 1 the first figure's or shape's; raises as above."""
        return self._labels() // OWNER

    def _labels(self) -> Labels:
        if self.labels is None:
            raise ValueError("this canvas kept no labels; make it with labels=True")
        return np.asarray(self.labels.resize((SIZE, SIZE), Image.Resampling.NEAREST))


@dataclass(frozen=True)
class Pen:
    """Draws shapes on a canvas around an origin (x, y), ``scale`` times as large, labelled as one part of one owner."""

    canvas: Canvas
    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    part: str = "background"
    owner: int = 0

    def on(self, part: str) -> Pen:
        """The same pen, labelling what it draws as ``part``."""
        return replace(self, part=part)

    def of(self, owner: int) -> Pen:
        """The same pen, drawing what belongs to the figure or shape numbered ``owner`` (from 1 on)."""
        return replace(self, owner=owner)

    def move(self, x: float, y: float, scale: float = 1.0) -> Pen:
        """A pen whose origin is at (x, y) of this one."""
        return replace(self, x=self.x + x * self.scale, y=self.y + y * self.scale, scale=self.scale * scale)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Colour, *, shadow: bool = True) -> None:
        """An ellipse around (x, y) with radii rx and ry."""
        self._cut("ellipse", [(x - rx, y - ry), (x + rx, y + ry)], fill, shadow)

    def pie(self, x: float, y: float, rx: float, ry: float, start: float, end: float, fill: Colour) -> None:
        """The part of an ellipse cut off by the straight line from angle ``start`` to ``end`` (degrees, clockwise)."""
        self._cut("chord", [(x - rx, y - ry), (x + rx, y + ry)], fill, True, start=start, end=end)

    def box(self, x0: float, y0: float, x1: float, y1: float, r: float, fill: Colour, *, shadow: bool = True) -> None:
        """A rectangle with corners rounded by r."""
        self._cut("rounded_rectangle", [(x0, y0), (x1, y1)], fill, shadow, radius=r * self.scale * FINE)

    def polygon(self, points: Sequence[Point], fill: Colour, *, shadow: bool = True) -> None:
        """A polygon through ``points``."""
        self._cut("polygon", points, fill, shadow)

    def line(self, points: Sequence[Point], width: float, fill: Colour, *, shadow: bool = False) -> None:
        """A stroke through ``points`` with round ends."""
        pixels = max(1, round(width * self.scale * FINE))
        self._cut("line", points, fill, shadow, width=pixels, joint="curve")
        if width > 2:
            for x, y in (points[0], points[-1]):
                self.ellipse(x, y, width / 2, width / 2, fill, shadow=False)

    def arc(
        self, x: float, y: float, rx: float, ry: float, start: float, end: float, width: float, ink: Colour
    ) -> None:
        """A curved stroke along an ellipse, from angle ``start`` to ``end`` (degrees, clockwise)."""
        pixels = max(1, round(width * self.scale * FINE))
        self._cut("arc", [(x - rx, y - ry), (x + rx, y + ry)], ink, False, start=start, end=end, width=pixels)

    def _cut(self, shape: str, points: Sequence[Point], fill: Colour, shadow: bool, **options: object) -> None:
        """Cut one shape: its shadow on what lies below, the paper itself, and its label."""
        if shadow:
            offset = [(x + 0.9 / self.scale, y + 1.3 / self.scale) for x, y in points]
            getattr(self.canvas.draw, shape)(self._pixels(offset), fill=SHADOW, **options)
        pixels = self._pixels(points)
        getattr(self.canvas.draw, shape)(pixels, fill=fill, **options)
        if self.canvas.label_draw is not None:
            label = PARTS.index(self.part) + OWNER * self.owner
            getattr(self.canvas.label_draw, shape)(pixels, fill=label, **options)

    def _pixels(self, points: Sequence[Point]) -> list[Point]:
        return [((self.x + x * self.scale) * FINE, (self.y + y * self.scale) * FINE) for x, y in points]
