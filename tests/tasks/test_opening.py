"""Pictures of every kind become upright RGB, and what cannot be one is refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sukashi.opening import MAX_SIDE, open_all, open_picture, pixel_hash

RED, BLUE = (255, 0, 0), (0, 0, 255)


def two_colours(width: int = 6, height: int = 4) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), RED)
    picture.paste(BLUE, (width // 2, 0, width, height))
    return picture


def corner(picture: Image.Image, x: int = 0, y: int = 0) -> tuple[int, ...]:
    return picture.getpixel((x, y))


def test_a_file_keeps_its_pixels_and_says_where_it_is_from(tmp_path: Path) -> None:
    two_colours().save(tmp_path / "a.png")
    opened = open_picture(tmp_path / "a.png")
    assert opened.picture.tobytes() == two_colours().tobytes() and opened.notes == () and opened.alpha is None
    assert opened.record == {"path": str(tmp_path / "a.png"), "pixels": pixel_hash(two_colours())}
    assert opened.record["pixels"] != pixel_hash(two_colours(4, 6))


@pytest.mark.parametrize("orientation", range(2, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    two_colours().save(tmp_path / "a.png", exif=exif)
    opened = open_picture(tmp_path / "a.png")
    turned = orientation >= 5
    assert opened.picture.size == ((4, 6) if turned else (6, 4))
    first = {2: BLUE, 3: BLUE, 4: RED, 5: RED, 6: RED, 7: BLUE, 8: BLUE}[orientation]
    assert corner(opened.picture) == first
    assert any("EXIF" in note for note in opened.notes)


def test_transparency_is_laid_on_white_and_kept_apart(tmp_path: Path) -> None:
    picture = two_colours().convert("RGBA")
    picture.putpixel((0, 0), (10, 20, 30, 0))
    picture.save(tmp_path / "a.png")
    opened = open_picture(tmp_path / "a.png")
    assert corner(opened.picture) == (255, 255, 255) and corner(opened.picture, 1) == RED
    assert opened.alpha is not None and corner(opened.alpha) == 0 and corner(opened.alpha, 1) == 255
    assert any("transparent" in note for note in opened.notes)
    opaque = open_picture(two_colours().convert("RGBA"))
    assert opaque.alpha is None and opaque.notes == () and opaque.picture.tobytes() == two_colours().tobytes()


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    values = np.array([[0, 257, 128 * 257], [65535, 65279, 1000]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    grey = np.asarray(open_picture(tmp_path / "a.png").picture)[..., 0]
    np.testing.assert_array_equal(grey, (values / 257).round())
    np.testing.assert_array_equal(np.asarray(open_picture(values).picture)[..., 0], (values / 257).round())
    floats = Image.fromarray(np.array([[0.0, 0.5, 1.0]], np.float32))
    assert np.asarray(open_picture(floats).picture)[0, :, 0].tolist() == [0, 128, 255]


def test_cmyk_palette_and_grey_become_rgb(tmp_path: Path) -> None:
    two_colours(16, 16).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    found = np.asarray(open_picture(tmp_path / "a.jpg").picture).astype(int)
    assert abs(found - np.asarray(two_colours(16, 16))).max() < 90 and found[0, 0, 0] > 200 > 60 > found[0, -1, 0]
    two_colours().convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.gif")
    assert open_picture(tmp_path / "a.gif").picture.tobytes() == two_colours().tobytes()
    clear = two_colours().convert("P", palette=Image.Palette.ADAPTIVE)
    clear.save(tmp_path / "b.png", transparency=clear.getpixel((0, 0)))
    assert corner(open_picture(tmp_path / "b.png").picture) == (255, 255, 255)
    assert corner(open_picture(two_colours().convert("1")).picture) in [(0, 0, 0), (255, 255, 255)]
    assert open_picture(Image.new("L", (3, 3), 7)).picture.getpixel((1, 1)) == (7, 7, 7)


def test_of_an_animation_the_first_picture_is_taken(tmp_path: Path) -> None:
    two_colours().save(tmp_path / "a.gif", save_all=True, append_images=[Image.new("RGB", (6, 4), (0, 255, 0))])
    opened = open_picture(tmp_path / "a.gif")
    assert opened.picture.tobytes() == two_colours().tobytes()
    assert "2 pictures in it: the first is used" in opened.notes[0]


def test_arrays_and_tensors_are_pictures_too() -> None:
    array = np.asarray(two_colours())
    tensor = torch.from_numpy(array.copy()).permute(2, 0, 1) / 255
    for source in (array, array / 255, tensor, tensor[None]):
        assert open_picture(source).picture.tobytes() == two_colours().tobytes()
    assert open_picture(array[..., :1]).picture.getpixel((0, 0)) == (255, 255, 255)
    assert len(open_all(torch.stack([tensor, tensor]))) == len(open_all([array, tensor])) == 2
    assert len(open_all(two_colours())) == 1


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (np.full((4, 4, 3), 1.5), r"values in 1.5 .. 1.5; 0 .. 1 is accepted"),
        (np.full((4, 4), np.nan), "0 .. 1 is accepted"),
        (np.zeros((4, 4, 5)), r"shape \(4, 4, 5\)"),
        (np.zeros((0, 4, 3)), r"shape \(0, 4, 3\)"),
        (np.zeros((4, 4), complex), "array of complex128"),
        (7, "picture is a int; a path, a PIL picture, an array or a tensor"),
        (Image.new("L", (MAX_SIDE + 1, 1)), f"{MAX_SIDE + 1} x 1 pixels; sides of 1 to {MAX_SIDE}"),
    ],
)
def test_what_is_no_picture_is_refused(source: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        open_picture(source)  # type: ignore[arg-type]


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("hello")
    two_colours(64, 64).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:90])
    Image.new("1", (20_000, 20_000)).save(tmp_path / "huge.png")
    for name, sentence in (("empty", r"empty \(0 bytes\)"), ("text", "not a picture"), ("half", "damaged")):
        with pytest.raises(ValueError, match=f"{name}.png .*{sentence}"):
            open_picture(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match=r"huge.png is (too large|20000 x 20000)"):
        open_picture(tmp_path / "huge.png")
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        open_picture(tmp_path / "none.png")
    with pytest.raises(ValueError, match="the list is empty"):
        open_all([])
