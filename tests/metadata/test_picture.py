"""Pictures into files and their texts out again."""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from pathlib import Path

import pytest
from PIL import Image

from sukashi.metadata import picture, texts
from sukashi.metadata.picture import encode_picture, free_path, save_picture
from sukashi.metadata.recipe import MetadataError
from sukashi.metadata.texts import read_texts, user_comment

INFOTEXT = '透かし é 🍕, "x"\nNegative prompt: y\nSteps: 1, Sampler: Euler, Seed: 0, Size: 8x6'
RECORD = {"settings": {"prompt": "Negative prompt: \n  透かし\t", "seed": 0}, "sigmas": [14.6, 0.0]}


@pytest.fixture
def image() -> Image.Image:
    return Image.frombytes("RGB", (8, 6), bytes(range(144)))


def png(*chunks: tuple[bytes, bytes], size: tuple[int, int] = (8, 6)) -> bytes:
    parts = ((b"IHDR", struct.pack(">IIBBBBB", *size, 8, 2, 0, 0, 0)), *chunks, (b"IEND", b""))
    return texts.PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".jpg", ".jpeg", ".webp"])
def test_round_trip(tmp_path: Path, image: Image.Image, suffix: str) -> None:
    path = save_picture(image, tmp_path / "new" / f"a{suffix}", parameters=INFOTEXT, record=RECORD)
    found = read_texts(path)
    assert (found.width, found.height, found.cut_short) == (8, 6, False)
    assert found.texts["parameters" if suffix.lower() == ".png" else "UserComment"] == INFOTEXT
    assert found.texts["sukashi"].isascii() is False and len(found.texts) == 2
    assert json.loads(found.texts["sukashi"]) == RECORD
    assert os.listdir(path.parent) == [path.name]
    if suffix not in (".jpg", ".jpeg"):
        assert Image.open(path).tobytes() == image.tobytes()


def test_pillow_reads_our_png(tmp_path: Path, image: Image.Image) -> None:
    for text in (INFOTEXT, "plain\nSteps: 1, Seed: 2, Size: 3x3"):
        path = save_picture(image, tmp_path / "a.png", parameters=text, overwrite=True)
        assert Image.open(path).info["parameters"] == text


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_same_input_same_bytes(image: Image.Image, suffix: str) -> None:
    first = encode_picture(image, suffix, parameters=INFOTEXT, record=RECORD)
    carrying = image.copy()
    carrying.info = {"exif": b"Exif\0\0secret", "icc_profile": b"icc", "dpi": (300, 300), "comment": b"c", "xmp": b"x"}
    assert encode_picture(carrying, suffix, parameters=INFOTEXT, record=RECORD) == first


def test_nothing_is_overwritten_unasked(tmp_path: Path, image: Image.Image) -> None:
    path = save_picture(image, tmp_path / "a.png")
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"a\.png exists; it is not overwritten"):
        save_picture(image, path, parameters=INFOTEXT)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.png"]
    save_picture(image, path, parameters=INFOTEXT, overwrite=True)
    assert read_texts(path).texts["parameters"] == INFOTEXT


def test_without_hard_links(tmp_path: Path, image: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    path = save_picture(image, tmp_path / "a.png")
    with pytest.raises(FileExistsError):
        save_picture(image, path)
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_failed_write_leaves_nothing(tmp_path: Path, image: Image.Image, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = save_picture(image, tmp_path / "a.png")
    before = path.read_bytes()
    monkeypatch.setattr(picture.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        save_picture(image, path, parameters=INFOTEXT, overwrite=True)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize(
    ("suffix", "mode", "options", "message"),
    [
        (".bmp", "RGB", {}, "'.bmp' is none of these"),
        ("", "RGB", {}, "is none of these"),
        (".jpg", "RGBA", {}, "a JPEG cannot hold a picture of mode RGBA"),
        (".webp", "L", {}, "a WebP cannot hold a picture of mode L"),
        (".png", "F", {}, "mode F cannot be written as .png"),
        (".png", "RGB", {"record": {"x": float("nan")}}, "the record cannot be written as JSON"),
        (".png", "RGB", {"record": {"x": object()}}, "the record cannot be written as JSON"),
        (".png", "RGB", {"parameters": "a\ud800"}, "lone surrogate"),
        (".png", "RGB", {"record": {"x": "\udcff"}}, "lone surrogate"),
        (".jpg", "RGB", {"parameters": "é" * 40_000}, "a JPEG holds 65,527; save it as PNG"),
    ],
)
def test_what_cannot_be_saved(tmp_path: Path, suffix: str, mode: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        save_picture(Image.new(mode, (4, 4)), tmp_path / f"a{suffix}", **options)  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


def test_free_path_counts_on_and_is_filled(tmp_path: Path, image: Image.Image) -> None:
    for name in ("a cat-0007.png", "a cat-0100.jpg", "a cat-x.png", "dog-0900.png"):
        (tmp_path / name).write_bytes(b"x")
    path = free_path(tmp_path, "a cat", ".png")
    assert path == tmp_path / "a cat-0008.png" and path.stat().st_size == 0
    save_picture(image, path)
    with pytest.raises(FileExistsError):
        save_picture(image, path)
    assert free_path(tmp_path / "new" / "er", "a", ".png").name == "a-0001.png"
    for stem in ("", "../a", "a/b"):
        with pytest.raises(ValueError, match="not the name of a file"):
            free_path(tmp_path, stem, ".png")


def test_free_path_never_gives_a_name_twice(tmp_path: Path) -> None:
    got: list[Path] = []
    workers = [
        threading.Thread(target=lambda: got.extend(free_path(tmp_path, "a", ".png") for _ in range(25)))
        for _ in range(8)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(set(got)) == 200 == len(os.listdir(tmp_path))


def test_every_kind_of_png_text(tmp_path: Path) -> None:
    packed = zlib.compress(INFOTEXT.encode())
    for chunk in (
        (b"tEXt", b"parameters\0" + INFOTEXT.encode()),  # not by the book, but stable-diffusion.cpp does it
        (b"zTXt", b"parameters\0\0" + packed),
        (b"iTXt", b"parameters\0\0\0en\0\0" + INFOTEXT.encode()),
        (b"iTXt", b"parameters\0\1\0\0titre\0" + packed),
    ):
        path = tmp_path / "a.png"
        path.write_bytes(png((b"IDAT", b"x" * 50), chunk))
        assert read_texts(path).texts == {"parameters": INFOTEXT}
    path.write_bytes(png((b"tEXt", b"parameters\0caf\xe9, a"), (b"tEXt", b"Author\0x")))
    assert (read_texts(path).texts, read_texts(path).others) == ({"parameters": "café, a"}, ("Author",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is an empty file"),
        (b"hello, I am text", "is not a PNG, JPEG, WebP, GIF or AVIF picture"),
        (texts.PNG_SIGNATURE, "has no header"),
        (png((b"zTXt", b"parameters\0\0" + zlib.compress(bytes(2**25)))), "unpacks to more than"),
        (png((b"zTXt", b"parameters\0\0not zlib")), "is damaged"),
        (png((b"eXIf", b"MM\0*\xff\xff\xff\xff")), ""),
        (texts.PNG_SIGNATURE + struct.pack(">I4s", 2**31, b"tEXt"), "2,147,483,648 bytes"),
        (png((b"tEXt", b"parameters\0Steps")).replace(b"Steps", b"Sters"), "the checksum of its tEXt chunk is wrong"),
        (png(*[(b"gAMA", b"")] * 100_001), "more than 100,000 chunks"),
        (b"\xff\xd8\xff\xe1\xff\xffExif\0\0MM", "cut short or damaged"),
        (b"GIF89a\1", ""),
    ],
)
def test_damaged_files_are_refused_in_one_sentence(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    if message:
        with pytest.raises(MetadataError, match=message) as caught:
            read_texts(path)
        assert "\n" not in str(caught.value)
    else:  # as Pillow likes; no other exception than ours
        try:
            read_texts(path)
        except MetadataError as error:
            assert str(path) in str(error)


def test_every_cut_of_every_format_is_read_or_refused(tmp_path: Path, image: Image.Image) -> None:
    path = tmp_path / "a"
    for suffix in (".png", ".jpg", ".webp"):
        data = encode_picture(image, suffix, parameters="a\nSteps: 1, Seed: 2, Size: 8x6", record={"a": 1})
        outcomes = set()
        for length in range(0, len(data), 3):
            path.write_bytes(data[:length])
            try:
                outcomes.add(bool(read_texts(path).texts))
            except MetadataError:
                outcomes.add(None)
        assert None in outcomes
        assert (True in outcomes) == (suffix != ".webp")  # whose EXIF stands at the end


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(MetadataError, match="No such file"):
        read_texts(tmp_path / "none.png")
    with pytest.raises(MetadataError, match="cannot be read"):
        read_texts(tmp_path)


def test_gif_comment_and_exif_of_others(tmp_path: Path) -> None:
    Image.new("P", (4, 4)).save(tmp_path / "a.gif", comment=INFOTEXT.encode())
    assert read_texts(tmp_path / "a.gif").texts == {"Comment": INFOTEXT}
    exif = Image.Exif()
    exif[texts.USER_COMMENT], exif[texts.SOFTWARE], exif[texts.MAKER_NOTE] = '{"a": 1}', "Fooocus v2.4.3", "fooocus"
    exif[texts.IMAGE_MODEL] = 'prompt:{"3": {}}'
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg", exif=exif)
    assert read_texts(tmp_path / "a.jpg").texts == {
        "UserComment": '{"a": 1}', "Software": "Fooocus v2.4.3", "fooocus_scheme": "fooocus", "prompt": '{"3": {}}',
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [
        b"UNICODE\0" + INFOTEXT.encode("utf-16-be"),
        b"UNICODE\0" + INFOTEXT.encode("utf-16-le"),
        b"UNICODE\0" + INFOTEXT.encode("utf-16"),
        b"\0" * 8 + INFOTEXT.encode(),
        b"ASCII\0\0\0" + INFOTEXT.encode() + b"\0",
        INFOTEXT.encode(),
        INFOTEXT,
    ],
)
def test_user_comment_encodings(value: object) -> None:
    assert user_comment(value) == INFOTEXT
    assert user_comment(None) == ""
    rows = "一" * 500 + "\nSteps: 1"  # bytes 4E 00: as little endian, five hundred times the letter N
    assert user_comment(b"UNICODE\0" + rows.encode("utf-16-be")) == rows


def test_a_huge_picture_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png((b"IDAT", b"x"), (b"tEXt", b"parameters\0a"), size=(2**31 - 1, 2**31 - 1)))
    assert read_texts(path).texts == {"parameters": "a"} and read_texts(path).width == 2**31 - 1
    Image.new("P", (4, 4)).save(tmp_path / "a.gif")
    gif = (tmp_path / "a.gif").read_bytes()
    (tmp_path / "a.gif").write_bytes(gif[:6] + b"\xff" * 4 + gif[10:])
    with pytest.raises(MetadataError, match="too large a picture"):
        read_texts(tmp_path / "a.gif")
