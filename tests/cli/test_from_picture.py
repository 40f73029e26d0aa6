"""The verbs that begin from a picture: what they draw, write and refuse."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from sukashi.metadata.infotext import parse_infotext


@pytest.fixture
def files(tmp_path, sukashi) -> None:
    """a.png, and m.png that marks its middle."""
    random = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    Image.fromarray(random).save(tmp_path / "a.png")
    mask = Image.new("L", (48, 40))
    mask.paste(255, (8, 8, 40, 32))
    mask.save(tmp_path / "m.png")


def test_img2img_and_its_replay(files, sukashi, model) -> None:
    drawn = sukashi("img2img", "-m", model, "-i", "a.png", "a cat", "--strength", 0.7, "-s", 3, "-o", "b.png")
    assert drawn.code == 0 and "note: runs 2 of 3 steps (strength 0.70)" in drawn.out
    picture = Image.open("b.png")
    record = json.loads(picture.text["sukashi"])
    assert picture.size == (48, 40) and record["task"] == "image-to-image" and record["options"]["strength"] == 0.7
    assert parse_infotext(picture.text["parameters"]).params["Denoising strength"] == "0.7"
    again = sukashi("replay", "b.png", "--check")
    assert again.code == 0 and "the same picture as b.png" in again.out
    Image.open("a.png").save("kept.png")
    Image.new("RGB", (48, 40)).save("a.png")
    changed = sukashi("replay", "b.png", "--check")
    assert changed.code == 2 and "is not the picture any more that the record speaks of" in changed.err
    assert sukashi("replay", "b.png", "--check", "-i", "kept.png").code == 0


def test_inpaint_keeps_the_rest(files, sukashi, model) -> None:
    drawn = sukashi("inpaint", "-m", model, "-i", "a.png", "--mask", "m.png", "a cat", "-s", 3, "-o", "b.png")
    assert drawn.code == 0
    before, after, mask = (np.asarray(Image.open(name)) for name in ("a.png", "b.png", "m.png"))
    assert (before[mask == 0] == after[mask == 0]).all() and (before[mask > 0] != after[mask > 0]).any()
    assert sukashi("replay", "b.png", "--check").code == 0


def test_without_a_prompt_and_for_several(files, sukashi, model) -> None:
    assert sukashi("img2img", "-m", model, "-i", "a.png", "-s", 1, "-o", "b.png", "--quiet").code == 0
    drawn = sukashi("img2img", "-m", model, "-i", "a.png", "a cat", "-b", 2, "-s", 1, "-o", "c-%d.png", "--json")
    assert [line["seed"] for line in drawn.json()] == [1, 2] and [line["path"] for line in drawn.json()] == [
        "c-0.png",
        "c-1.png",
    ]


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("img2img", "a cat"), 2, "required: -i/--init-img/--image"),
        (("img2img", "-i", "none.png", "a cat"), 2, "none.png: no such file"),
        (("img2img", "-i", "empty.png"), 2, "empty.png is empty (0 bytes)"),
        (("img2img", "-i", "a.png", "--strength", "1.5"), 2, "strength is 1.5; a number in 0..1 is accepted"),
        (("img2img", "-i", "a.png", "--resize", "x"), 2, "resize is 'x'; accepted: stretch, crop, fill"),
        (("inpaint", "-i", "a.png"), 2, "there is no mask, and nothing in the picture is transparent"),
        (("inpaint", "-i", "a.png", "--mask", "m.png", "--fill", "red"), 2, "fill is 'red'"),
    ],
)
def test_what_cannot_be_used(files, sukashi, model, words, code, sentence) -> None:
    open("empty.png", "wb").close()
    ended = sukashi(words[0], "-m", model, *words[1:])
    assert ended.code == code and sentence in ended.err and ended.err.count("\n") == 1


def test_outpainting_two_passes_and_grids(files, sukashi, model) -> None:
    assert sukashi("outpaint", "-m", model, "-i", "a.png", "--left", 8, "a cat", "-s", 1, "-o", "o.png").code == 0
    assert Image.open("o.png").size == (56, 40)
    drawn = sukashi("hires", "-m", model, "a cat", "-W", 32, "-H", 32, "--scale", 1.5, "-s", 1, "-o", "h.png")
    assert drawn.code == 0 and Image.open("h.png").size == (48, 48)
    axes = ("-x", "steps=1,2", "-y", "guidance=1,2.5")
    assert sukashi("grid", "-m", model, "a cat", *axes, "-W", 32, "-H", 32, "-s", 1, "-o", "g.png").code == 0
    for name in ("o", "h", "g"):
        assert sukashi("replay", f"{name}.png", "--check").code == 0
    wrong = sukashi("grid", "-m", model, "a cat", "-x", "steps")
    assert wrong.code == 2 and "'steps' is no axis; write NAME=VALUE,VALUE" in wrong.err
