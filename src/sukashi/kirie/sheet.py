"""Contact sheets: many small pictures on one large one."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from sukashi.kirie.world import sample


def contact_sheet(pictures: Sequence[Image.Image], columns: int, gap: int = 4) -> Image.Image:
    """Lay equally large pictures out in rows of ``columns`` on white paper, ``gap`` pixels apart."""
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + gap) + gap), "white")
    for k, picture in enumerate(pictures):
        row, column = divmod(k, columns)
        sheet.paste(picture, (gap + column * (width + gap), gap + row * (height + gap)))
    return sheet


def world_sheet(first: int = 0, rows: int = 6, columns: int = 8) -> Image.Image:
    """A contact sheet of the world itself, from seed ``first`` on."""
    return contact_sheet([sample(first + k).picture for k in range(rows * columns)], columns)
