"""Every layout of training pictures, and every refusal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sukashi.train.data.examples import Example, Examples
from sukashi.train.data.folders import read_examples


def picture(path: Path, size: tuple[int, int] = (40, 30), colour: object = (200, 60, 60), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)
    return path


def told(examples: Examples) -> list[tuple[str, str, str, int]]:
    return [(e.path.name if e.path else "", e.caption, e.caption_from, e.repeats) for e in examples]


def test_dreambooth_folders_have_one_prompt_and_pictures_of_the_class(tmp_path: Path) -> None:
    for name in ("10.png", "2.png"):
        picture(tmp_path / "mine" / name)
    picture(tmp_path / "class" / "a.jpg")
    found = read_examples(
        tmp_path / "mine", prompt="a sks dog", class_folder=tmp_path / "class", class_prompt="a dog", repeats=3
    )
    assert told(found) == [
        ("2.png", "a sks dog", "the prompt", 3),
        ("10.png", "a sks dog", "the prompt", 3),
        ("a.jpg", "a dog", "the prompt", 1),
    ]
    assert [example.prior for example in found] == [False, False, True]


def test_kohyas_numbered_folders(tmp_path: Path) -> None:
    picture(tmp_path / "10_sks dog" / "a.png")
    picture(tmp_path / "10_sks dog" / "b.png").with_suffix(".txt").write_text("sks dog, beach\n")
    picture(tmp_path / "2_my style" / "c.webp").with_suffix(".caption").write_text("a house, my style")
    picture(tmp_path / "rest" / "d.png")
    found = read_examples(tmp_path)
    assert told(found) == [
        ("c.webp", "a house, my style", "c.caption", 2),
        ("a.png", "sks dog", "the name of '10_sks dog'", 10),
        ("b.png", "sks dog, beach", "b.txt", 10),
    ]
    assert any("rest is left out" in note and "number" in note for note in found.notes)


def test_a_numbered_folder_named_itself_keeps_its_number(tmp_path: Path) -> None:
    picture(tmp_path / "10_sks dog" / "a.png")
    found = read_examples(tmp_path / "10_sks dog", prompt="a sks dog")
    assert told(found) == [("a.png", "a sks dog", "the prompt", 10)]
    assert any("10 repeats" in note for note in found.notes)


def test_captions_beside_pictures_come_before_the_prompt(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        picture(tmp_path / f"{name}.png")
    (tmp_path / "a.txt").write_text("\ufeffone\nsecond line\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("from txt")
    (tmp_path / "b.caption").write_text("from caption")
    (tmp_path / "z.txt").write_text("nobody's")
    found = read_examples(tmp_path, prompt="else")
    assert [(e.caption, e.caption_from) for e in found] == [
        ("one", "a.txt"),
        ("from caption", "b.caption"),
        ("else", "the prompt"),
    ]
    for words in ("2 lines", "b.txt is left out", "z.txt"):
        assert any(words in note for note in found.notes), words


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_metadata(tmp_path: Path, kind: str) -> None:
    for name in ("a.png", "b.png", "c.png"):
        picture(tmp_path / name)
    rows = [{"file_name": "b.png", "text": "two, twice"}, {"file_name": "a.png", "text": "one"}]
    if kind == "jsonl":
        (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    else:
        (tmp_path / "metadata.csv").write_text('file_name,text\nb.png,"two, twice"\na.png,one\n')
    found = read_examples(tmp_path)
    assert [(e.path and e.path.name, e.caption) for e in found] == [("b.png", "two, twice"), ("a.png", "one")]
    assert found[0].caption_from == ("metadata.jsonl, line 1" if kind == "jsonl" else "metadata.csv, line 2")
    assert any("c.png" in note for note in found.notes)


def test_another_column(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png", "text": "one", "tags": "two"}))
    assert read_examples(tmp_path, column="tags")[0].caption == "two"
    with pytest.raises(ValueError, match=r"line 1 has no field words; its fields: text, tags"):
        read_examples(tmp_path, column="words")


def test_pictures_of_every_kind_become_upright_rgb(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30), "red").save(tmp_path / "turned.jpg", exif=exif)
    clear = Image.new("RGBA", (40, 30), (0, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    Image.new("RGB", (40, 30), (0, 0, 255)).quantize(4).save(tmp_path / "palette.png")
    Image.fromarray(np.full((30, 40), 32768, np.uint16)).save(tmp_path / "sixteen.png")
    found = {e.path.name: e for e in read_examples(tmp_path, prompt="x") if e.path}
    assert found["turned.jpg"].open().size == found["turned.jpg"].size() == (30, 40)
    assert found["clear.png"].open().getpixel((0, 0)) == (255, 255, 255)
    assert found["palette.png"].open().getpixel((0, 0)) == (0, 0, 255)
    assert found["sixteen.png"].open().getpixel((0, 0)) == (128, 128, 128)
    assert all(e.open().mode == "RGB" for e in found.values())


def refused(tmp_path: Path, error: type[Exception], *words: str, **options: str) -> None:
    with pytest.raises(error) as caught:
        read_examples(tmp_path, **options)  # type: ignore[arg-type]
    text = str(caught.value)
    assert all(word in text for word in words) and "\n" not in text, text


def test_no_folder_and_no_pictures(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", FileNotFoundError, "nowhere does not exist")
    refused(picture(tmp_path / "a.png"), NotADirectoryError, "a.png is a file")
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", ValueError, "empty is empty")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "notes.doc").write_text("x")
    refused(tmp_path / "texts", ValueError, "texts holds no picture", "notes.doc")
    (tmp_path / "numbered" / "10_dog").mkdir(parents=True)
    refused(tmp_path / "numbered", ValueError, "10_dog holds no picture")


def test_a_folder_whose_name_lacks_its_number(tmp_path: Path) -> None:
    picture(tmp_path / "dogs" / "a.png")
    refused(tmp_path, ValueError, "'dogs' does not begin with a number", "10_dogs")


def test_mixed_folders(tmp_path: Path) -> None:
    picture(tmp_path / "10_dog" / "a.png")
    picture(tmp_path / "b.png")
    refused(tmp_path, ValueError, "mixed", "b.png", "10_dog")
    (tmp_path / "b.png").unlink()
    (tmp_path / "metadata.jsonl").write_text("{}")
    refused(tmp_path, ValueError, "mixed", "metadata.jsonl", "10_dog")


def test_damaged_pictures(tmp_path: Path) -> None:
    good = picture(tmp_path / "a.png", (200, 200))
    (tmp_path / "b.png").write_bytes(good.read_bytes()[:100])
    refused(tmp_path, ValueError, "b.png is", prompt="x")
    (tmp_path / "b.png").write_bytes(b"")
    refused(tmp_path, ValueError, "b.png is empty", prompt="x")
    (tmp_path / "b.png").write_text("hello")
    refused(tmp_path, ValueError, "b.png is not a picture", prompt="x")


def test_missing_and_unreadable_captions(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    refused(tmp_path, ValueError, "a.png has no caption", "a.txt")
    (tmp_path / "a.txt").write_text(" \n")
    refused(tmp_path, ValueError, "a.txt is empty")
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 au lait")
    refused(tmp_path, ValueError, "a.txt is not UTF-8")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1 is no JSON"),
        ("[1]", "line 1 is no {"),
        ('{"text": "x"}', "line 1 names no picture"),
        ('{"file_name": "a.png"}', "its fields: none"),
        ('{"file_name": "a.png", "text": ""}', "the caption of a.png is ''"),
        ('{"file_name": "q.png", "text": "x"}', "names q.png, which is not there"),
        ('{"file_name": "a.png", "text": "x"}\n{"file_name": "a.png", "text": "y"}', "line 2 names a.png a second"),
        ("", "metadata.jsonl is empty"),
    ],
)
def test_metadata_that_cannot_be_understood(tmp_path: Path, line: str, words: str) -> None:
    picture(tmp_path / "a.png")
    (tmp_path / "metadata.jsonl").write_text(line)
    refused(tmp_path, ValueError, "metadata.jsonl", words)


def test_repeats_of_nought_and_examples_without_a_picture(tmp_path: Path) -> None:
    picture(tmp_path / "0_dog" / "a.png")
    refused(tmp_path, ValueError, "0_dog: 0 repeats")
    with pytest.raises(ValueError, match="no picture to learn from"):
        Examples([Example(tmp_path / "a.png", "x", prior=True)])
    with pytest.raises(ValueError, match="needs a path or a picture"):
        Example(None, "x").open()
