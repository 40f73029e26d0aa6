"""The dry run: the data as it was understood."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from PIL import Image
from torch import nn

from sukashi.cli.train_data_options import data, dry_run, examples
from sukashi.train.data.report import crops, describe, memory_plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k, size in enumerate([(60, 40), (40, 60), (50, 50)]):
        Image.new("RGB", size, (80 * k, 90, 90)).save(tmp_path / f"{k}.png")
    (tmp_path / "1.txt").write_text("a tall one")
    return tmp_path


def parsed(folder: Path, *words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    data(parser, classes=True)
    return parser.parse_args([str(folder), "-p", "sks", *words])


def test_it_says_what_was_understood(folder: Path) -> None:
    batches = examples(parsed(folder, "--repeats", "4")).batches(0, 2, 32, ((40, 24), (32, 32), (24, 40)))
    text = "\n".join(describe(batches, steps=12, accumulation=2))
    for line in (
        "0.png, 4 times, 60 x 40: 'sks', from the prompt",
        "1.png, 4 times, 40 x 60: 'a tall one', from 1.txt",
        "captions from the prompt (2), .txt beside the picture (1)",
        "bucket 24 x 40: 1 pictures, 4 with repeats",
        "an epoch: 12 pictures in 6 batches of 2, 3 steps",
        "12 steps: 4.0 epochs, each picture shown 4.0 times a repeat",
    ):
        assert line in text, text


def test_it_draws_the_crops_that_a_training_would_see(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = parsed(folder, "--sheet", str(folder / "out" / "sheet.png"))
    batches = examples(args).batches(0, 2, 32)
    assert dry_run(args, batches, steps=3, memory=["memory: little"]) == 0
    assert "memory: little" in capsys.readouterr().out
    with Image.open(folder / "out" / "sheet.png") as sheet:
        assert sheet.size == crops(batches).size and len(sheet.getcolors(1 << 20) or []) > 4


def test_the_memory_plan_adds_up(folder: Path) -> None:
    batches = examples(parsed(folder)).batches(0, 2, 32, flip=0.5)
    frozen, new = nn.Linear(1000, 1000, bias=False), nn.Linear(1000, 500, bias=False)
    lines = memory_plan(batches, [frozen], list(new.parameters()), factor=8, channels=4, averaged=True)
    assert lines[0].endswith("6.0 MB")  # 4 of the network and 2 that are new
    assert "500,000 weights" in lines[1] and lines[1].endswith("2.0 MB")
    assert lines[2].endswith("4.0 MB") and lines[3].endswith("2.0 MB")
    assert lines[-1] == "memory: 14.0 MB and the activations of a batch"
