"""Tasks as functions, what is saved with a picture, and comparing two."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sukashi
from sukashi import tasks
from sukashi.metadata.infotext import parse_infotext
from sukashi.settings import Settings


@pytest.fixture(scope="module")
def pipe(model: Path) -> sukashi.Pipeline:
    return sukashi.load(model, device="cpu")


def test_a_task_is_the_call(pipe) -> None:
    seen = []

    def show(run):
        for step in run:
            seen.append(step.now.t)
            yield step

    result = tasks.text_to_image(pipe, ["a cat", "a dog"], seed=3, show=show)
    assert len(seen) == 3 and len(result.images) == 2
    assert [im.tobytes() for im in result.images] == [im.tobytes() for im in pipe(["a cat", "a dog"], seed=3).images]


def test_a_record_is_replayed_without_the_pipeline(pipe, model: Path) -> None:
    result = pipe("a cat", seed=3, count=2, sampler="euler_a")
    record = json.loads(json.dumps(result.record(1)))
    assert record["model"] == str(model) and record["settings"]["seed"] == 4
    assert record["loading"] == {"device": "cpu", "dtype": "float32"}
    again = tasks.replay(record)
    assert tasks.compare(again.images[0], result.images[1]).within(1)  # made alone: the sums of a batch round otherwise
    assert again.requests[0] == Settings.from_dict(record["settings"]) == result.requests[1]


def test_a_later_task_joins(pipe, monkeypatch) -> None:
    asked = []
    monkeypatch.setitem(tasks.TASKS, "upscale", lambda pipe, **options: asked.append(options))
    tasks.replay({"task": "upscale", "model": "m", "settings": {"seed": 2}}, pipe)
    assert asked[0]["seed"] == 2


@pytest.mark.parametrize(
    "record", [{}, {"settings": {}}, {"model": "kirie", "settings": None, "task": "text-to-image"}]
)
def test_what_is_no_record(pipe, record: dict) -> None:
    with pytest.raises(ValueError, match="no record of sukashi's"):
        tasks.replay(record, pipe)


def test_saved_pictures_carry_both_texts(pipe, tmp_path: Path) -> None:
    result = pipe("a cat, 猫", seed=5, count=2, negative_prompt="x: y", sampler="DPM++ 2M Karras", steps=4)
    paths = tasks.save(result, tmp_path, model_hash="0123456789")
    assert [path.name for path in paths] == ["00000-5.png", "00001-6.png"]
    texts = Image.open(paths[1]).text
    assert json.loads(texts["sukashi"]) == {**result.record(1), "model_hash": "0123456789"}
    info = parse_infotext(texts["parameters"])
    assert (info.prompt, info.negative_prompt) == ("a cat, 猫", "x: y")
    wanted = {"Steps": "4", "Sampler": "DPM++ 2M", "Schedule type": "Karras", "CFG scale": "4", "Seed": "6"}
    wanted |= {"Size": "64x64", "Model hash": "0123456789", "Model": "tiny"}
    assert wanted.items() <= info.params.items()
    with pytest.raises(FileExistsError):
        tasks.save(result, paths[0])


def test_the_infotext_names_what_the_model_chose(pipe) -> None:
    params = parse_infotext(tasks.infotext(pipe("a cat", seed=1))).params
    assert params["Sampler"] and params["Schedule type"]


def test_the_fingerprint_is_that_of_the_unet(pipe, model: Path) -> None:
    import hashlib

    [file] = (model / "unet").glob("*.safetensors")
    assert tasks.fingerprint(pipe) == hashlib.sha256(file.read_bytes()).hexdigest()[:10]


def test_comparing() -> None:
    a = np.zeros((4, 4, 3), np.uint8)
    b = a.copy()
    b[0, 0, 1] = 12
    same, other = tasks.compare(*map(Image.fromarray, (a, a))), tasks.compare(*map(Image.fromarray, (a, b)))
    assert same == (0, 0.0, math.inf) and same.within(0)
    assert other.largest == 12 and other.mean == 12 / 48 and other.within(12) and not other.within(11)
    assert other.psnr == pytest.approx(10 * math.log10(255**2 / (144 / 48)))
    with pytest.raises(ValueError, match="4 x 4 and 2 x 2"):
        tasks.compare(Image.fromarray(a), Image.fromarray(a[:2, :2]))
