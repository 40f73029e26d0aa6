"""A picture of any size -> one of the size that is drawn, and sizes that are whole latent cells."""

from __future__ import annotations

from PIL import Image

MODES = ("stretch", "crop", "fill")


def drawn_size(
    own: tuple[int, int], width: int | None, height: int | None, cell: int, *, notes: list[str] | None = None
) -> tuple[int, int]:
    """Width and height to draw at: what is asked for, else the picture's own, in whole cells.

    Of one side alone the other follows by the picture's proportions. Sides that are taken from the picture are rounded
    down to multiples of ``cell`` (pixels per latent cell), as diffusers does, and that is said in ``notes``.
    """
    if width is not None and height is not None:
        return width, height
    if width is not None:
        height = max(cell, round(width * own[1] / own[0] / cell) * cell)
        return width, height
    if height is not None:
        return max(cell, round(height * own[0] / own[1] / cell) * cell), height
    width, height = (max(cell, side // cell * cell) for side in own)
    if (width, height) != own and notes is not None:
        notes.append(f"the picture is {own[0]} x {own[1]}: drawn at {width} x {height}, in multiples of {cell}")
    return width, height


def fit(picture: Image.Image, size: tuple[int, int], mode: str = "stretch") -> Image.Image:
    """The picture at ``size``: "stretch" it, "crop" what stands over, or "fill" what is missing with its edges.

    The last two keep the proportions (A1111's "just resize", "crop and resize", "resize and fill"). Lanczos.
    Raises ValueError for another mode.
    """
    if mode not in MODES:
        raise ValueError(f"resize is {mode!r}; accepted: {', '.join(MODES)}")
    if picture.size == size:
        return picture
    if mode == "stretch":
        return picture.resize(size, Image.Resampling.LANCZOS)
    (width, height), (own_width, own_height) = size, picture.size
    ratios = (width / own_width, height / own_height)
    ratio = max(ratios) if mode == "crop" else min(ratios)
    scaled = max(1, round(own_width * ratio)), max(1, round(own_height * ratio))
    inner = picture.resize(scaled, Image.Resampling.LANCZOS) if scaled != picture.size else picture
    left, top = (width - scaled[0]) // 2, (height - scaled[1]) // 2
    if mode == "crop":
        return inner.crop((-left, -top, -left + width, -top + height))
    return extend(inner, left, top, width - scaled[0] - left, height - scaled[1] - top)


def extend(picture: Image.Image, left: int, top: int, right: int, bottom: int) -> Image.Image:
    """The picture with margins (pixels) that repeat its outermost rows and columns."""
    width, height = picture.size
    wide = Image.new(picture.mode, (width + left + right, height))
    for x, part in ((0, (0, 0, 1, height)), (left + width, (width - 1, 0, width, height))):
        across = left if x == 0 else right
        if across:
            wide.paste(picture.crop(part).resize((across, height), Image.Resampling.NEAREST), (x, 0))
    wide.paste(picture, (left, 0))
    out = Image.new(picture.mode, (wide.width, height + top + bottom))
    for y, part in ((0, (0, 0, wide.width, 1)), (top + height, (0, height - 1, wide.width, height))):
        down = top if y == 0 else bottom
        if down:
            out.paste(wide.crop(part).resize((wide.width, down), Image.Resampling.NEAREST), (0, y))
    out.paste(wide, (0, top))
    return out


def whole_cells(picture: Image.Image, cell: int) -> Image.Image:
    """The picture with its right and lower edges repeated up to the next multiple of ``cell``."""
    width, height = picture.size
    return extend(picture, 0, 0, -width % cell, -height % cell)
