"""Contact sheets: many small pictures on one large one."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from PIL import Image, ImageDraw, ImageFont

from sukashi.kirie.world import sample

LINE = 24  # letters that fit under a picture of 128 pixels
LINES = 4


def contact_sheet(
    pictures: Sequence[Image.Image], columns: int, gap: int = 4, captions: Sequence[str] = ()
) -> Image.Image:
    """Lay equally large pictures out in rows of ``columns`` on white paper, ``gap`` pixels apart.

    ``captions`` are written under them, cut after four lines. Raises ValueError when there is no picture.
    """
    if not pictures:
        raise ValueError("a contact sheet needs at least one picture")
    width, height = pictures[0].size
    below = 11 * LINES + 2 if captions else 0
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, rows * (height + below + gap) + gap), "white")
    for k, picture in enumerate(pictures):
        row, column = divmod(k, columns)
        x, y = gap + column * (width + gap), gap + row * (height + below + gap)
        sheet.paste(picture, (x, y))
        if k < len(captions):
            text = "\n".join(wrap(captions[k], LINE * width // 128)[:LINES])
            ImageDraw.Draw(sheet).multiline_text(
                (x, y + height + 1), text, "black", ImageFont.load_default(10), spacing=1
            )
    return sheet


def world_sheet(first: int = 0, rows: int = 6, columns: int = 8, *, captions: bool = False) -> Image.Image:
    """A contact sheet of the world itself, from seed ``first`` on; raises ValueError for less than a row or column."""
    if rows < 1 or columns < 1:
        raise ValueError(f"a sheet of {rows} rows and {columns} columns; at least 1 of each is accepted")
    samples = [sample(first + k) for k in range(rows * columns)]
    texts = [s.caption for s in samples] if captions else ()
    return contact_sheet([s.picture for s in samples], columns, captions=texts)
