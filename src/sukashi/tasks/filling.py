"""What the masked part of a picture holds before it is drawn anew."""

from __future__ import annotations

from PIL import Image, ImageFilter

FILLS = ("original", "fill", "noise", "nothing")
BLURS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))  # radius in pixels, how often: A1111's modules/masking.py


def spread(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The RGB picture with its unmasked colours spread into the mask (L, 255 is filled), coarsely first.

    Copies of the picture without the masked part are blurred ever less and laid over one another (A1111's "fill").
    """
    kept = picture.convert("RGBA")
    kept.putalpha(mask.point(lambda v: 255 * (v == 0)))
    flat = kept.convert("RGBa")  # colours times alpha, so that blurring does not mix in what is masked
    out = Image.new("RGBA", picture.size)
    for radius, times in BLURS:
        blurred = flat.filter(ImageFilter.GaussianBlur(radius)) if radius else flat
        layer = blurred.convert("RGBA")
        for _ in range(times):
            out.alpha_composite(layer)
    return out.convert("RGB")
