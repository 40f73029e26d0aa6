"""Pictures of other sizes: the size drawn at, and the three ways to get there."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from sukashi.tasks.fitting import drawn_size, extend, fit, whole_cells


@pytest.mark.parametrize(
    ("asked", "own", "size"),
    [
        ((None, None), (520, 328), (520, 328)),
        ((None, None), (513, 335), (512, 328)),
        ((None, None), (5, 9), (8, 8)),
        ((256, None), (512, 384), (256, 192)),
        ((None, 256), (512, 384), (344, 256)),
        ((64, 72), (500, 500), (64, 72)),
    ],
)
def test_the_size_drawn_at(asked, own, size) -> None:
    notes: list[str] = []
    assert drawn_size(own, *asked, 8, notes=notes) == size
    assert bool(notes) == (asked == (None, None) and size != own)


def ramp(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(
        np.stack([x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), 0 * x], -1).astype("u1")
    )


def test_stretch_crop_and_fill() -> None:
    wide = ramp(80, 40)
    assert fit(wide, (80, 40)) is wide
    stretched, cropped, filled = (np.asarray(fit(wide, (32, 32), mode)) for mode in ("stretch", "crop", "fill"))
    assert stretched.shape == cropped.shape == filled.shape == (32, 32, 3)
    assert stretched[0, 0, 0] < 8 and stretched[0, -1, 0] > 247 and stretched[-1, 0, 1] > 247
    assert 60 < cropped[0, 0, 0] < 70 and 185 < cropped[0, -1, 0] < 195 and cropped[-1, 0, 1] > 240
    assert (filled[:8] == filled[8]).all() and (filled[24:] == filled[23]).all() and filled[0, -1, 0] > 240
    np.testing.assert_array_equal(filled[8:24], np.asarray(wide.resize((32, 16), Image.Resampling.LANCZOS)))
    with pytest.raises(ValueError, match="resize is 'squash'; accepted: stretch, crop, fill"):
        fit(wide, (8, 8), "squash")


def test_margins_repeat_the_edges() -> None:
    random = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    padded = np.pad(random, ((1, 4), (2, 3), (0, 0)), "edge")
    np.testing.assert_array_equal(np.asarray(extend(Image.fromarray(random), 2, 1, 3, 4)), padded)
    whole = np.asarray(whole_cells(Image.fromarray(random), 8))
    np.testing.assert_array_equal(whole, np.pad(random, ((0, 1), (0, 3), (0, 0)), "edge"))
    assert whole_cells(Image.new("L", (16, 8)), 8).size == (16, 8)
