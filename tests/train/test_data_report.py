"""What a dry run says of the data, and the sheet of crops."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from torch import nn

from sukashi.train.data.batches import Batches
from sukashi.train.data.folders import read_examples
from sukashi.train.data.report import SIDE, crops, describe, memory_plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for k, size in enumerate([(60, 40), (40, 60), (50, 50)]):
        Image.new("RGB", size, (80 * k, 90, 90)).save(tmp_path / f"{k}.png")
    (tmp_path / "1.txt").write_text("a tall one")
    return tmp_path


def batches(folder: Path, **options: object) -> Batches:
    examples = read_examples(folder, prompt="sks", repeats=4)
    return examples.batches(0, 2, 32, ((40, 24), (32, 32), (24, 40)), **options)  # type: ignore[arg-type]


def test_it_says_what_was_understood(folder: Path) -> None:
    text = "\n".join(describe(batches(folder), steps=12, accumulation=2))
    for line in (
        "0.png, 4 times, 60 x 40: 'sks', from the prompt",
        "1.png, 4 times, 40 x 60: 'a tall one', from 1.txt",
        "captions from the prompt (2), .txt beside the picture (1)",
        "bucket 24 x 40: 1 pictures, 4 with repeats",
        "an epoch: 12 pictures in 6 batches of 2, 3 steps",
        "12 steps: 4.0 epochs, each picture shown 4.0 times a repeat",
    ):
        assert line in text, text


def test_the_sheet_shows_the_first_crops_with_their_captions(folder: Path) -> None:
    seen = batches(folder, flip=1.0)
    sheet = crops(seen, 4)
    assert sheet.width == 4 * (SIDE + 4) + 4
    first = seen(0).pixels[0, 0, 0, 0].item()
    assert abs(sheet.getpixel((4 + SIDE // 2, 4 + SIDE // 2))[0] / 127.5 - 1 - first) < 0.01  # type: ignore[index,operator]


def test_the_memory_plan_adds_up(folder: Path) -> None:
    frozen, new = nn.Linear(1000, 1000, bias=False), nn.Linear(1000, 500, bias=False)
    plan = {"factor": 8, "channels": 4, "averaged": True}
    lines = memory_plan(batches(folder, flip=0.5), [frozen], list(new.parameters()), **plan)  # type: ignore[arg-type]
    assert lines[0].endswith("6.0 MB")  # 4 of the network and 2 that are new
    assert "500,000 weights" in lines[1] and lines[1].endswith("2.0 MB")
    assert lines[2].endswith("4.0 MB") and lines[3].endswith("2.0 MB")
    assert lines[-1] == "memory: 14.0 MB and the activations of a batch"
