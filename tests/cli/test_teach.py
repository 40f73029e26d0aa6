"""sukashi train ti|lora|dreambooth|finetune|custom on a tiny model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

from sukashi.cli.teach_options import METHODS, OPTIONS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "3_cat"
    folder.mkdir()
    for k in range(2):
        Image.effect_noise((40, 40), 50 + k).convert("RGB").save(folder / f"{k}.png")
    return folder


SMALL = ("--device", "cpu", "--steps", "1", "--size", "32")
CASES = {
    "ti": (("--start", "cat", "--word", "<toy>"), ["toy.safetensors", "toy.pt"]),
    "lora": (
        ("--prompt", "a cat", "--rank", "2", "--layers", "conv", "--keys", "peft"),
        ["lora.safetensors"],
    ),
    "dreambooth": (("--prompt", "at cat", "--class-prompt", "cat", "--class-pictures", "1"), ["model"]),
    "finetune": (("--prompt", "cat", "--ema", "0.9", "--snr-gamma", "5"), ["model"]),
    "custom": (("--start", "cat"), ["custom.safetensors", "new.safetensors", "new.pt"]),
}


@pytest.mark.parametrize("method", METHODS)
def test_methods(method: str, model: Path, data: Path, sukashi: Callable, tmp_path: Path) -> None:
    options, files = CASES[method]
    ended = sukashi("train", method, data, "--out", "out", "-m", model, *SMALL, *options)
    assert ended.code == 0, ended.err
    said = ended.json()[-1]
    assert [Path(file).name for file in said["files"]] == files and said["steps"] == 1
    assert all((tmp_path / file).exists() for file in said["files"])
    assert "step 1 of 1, loss" in ended.err


def test_the_new_word_is_drawn(model: Path, data: Path, sukashi: Callable) -> None:
    sukashi("train", "ti", data, "--out", "out", "-m", model, *SMALL, "--start", "cat", "--word", "<toy>")
    ended = sukashi("a <toy>", "-m", model, "--embedding", "out/toy.safetensors", "--seed", "1", "-o", "a.png")
    assert ended.code == 0 and Path("a.png").exists(), ended.err


def test_dry_run(model: Path, data: Path, sukashi: Callable) -> None:
    ended = sukashi("train", "lora", data, "--out", "out", "-m", model, *SMALL, "--prompt", "a cat", "--dry-run")
    assert ended.code == 0, ended.err
    assert "3 repeats" in ended.out and "'a cat', from the prompt" in ended.out and "a LoRA of rank 4" in ended.out
    assert Path("out/crops.png").exists() and [path.name for path in Path("out").iterdir()] == ["crops.png"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("lora", "nowhere", "--prompt", "a"), "nowhere does not exist"),
        (("lora", "DATA"), "has no caption"),
        (("ti", "DATA"), "start is ''"),
        (("lora", "DATA", "--prompt", "a", "--optimizer", "lion"), "optimizer is 'lion'"),
        (("lora", "DATA", "--prompt", "a", "--precision", "fp16"), "precision fp16 needs an accelerator"),
        (("ti", "DATA", "--rank", "2"), "--rank"),
    ],
)
def test_refused(words: tuple[str, ...], sentence: str, model: Path, data: Path, sukashi: Callable) -> None:
    method, *rest = words
    said = [str(data) if word == "DATA" else word for word in rest]
    ended = sukashi("train", method, *said, "--out", "out", "-m", model, *SMALL)
    assert ended.code == 2 and sentence in ended.err, ended.err


def test_every_field_has_an_option() -> None:
    from sukashi.train.methods.config import Config

    offered = {option.field for options in OPTIONS.values() for option in options}
    assert offered == {field.name for field in fields(Config)}
    assert json.dumps(Config().as_json())
