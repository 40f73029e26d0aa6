"""sukashi train scratch: what it accepts, and a whole run of the smallest recipe."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sukashi.cli import main
from sukashi.nets.vae import VAEConfig
from sukashi.train import recipe
from sukashi.train.run import Budget

UNET = replace(
    recipe.SMALL_UNET,
    channels=(8, 16),
    depth=(0, 1),
    heads=(1, 2),
    cross_only=(False, False),
    context_dim=16,
    groups=4,
)
MICRO = recipe.Recipe(
    pictures=4,
    wordings=2,
    captions=30,
    vae=VAEConfig(channels=(12, 12, 12, 12), resnets=1, groups=4, mid_attention=False),
    unet=UNET,
    text_layers=1,
    text_heads=2,
    vae_budget=Budget(steps=1),
    budget=Budget(steps=1),
    vae_batch=1,
    batch=2,
)


@pytest.fixture(autouse=True)
def as_before():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_from_nothing_to_a_model(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(recipe.RECIPES["kirie"], "cpu", MICRO)
    words = ["train", "scratch", "--device", "cpu", "--out", str(tmp_path), "--evaluate", "0", "--threads", "1"]
    assert main([*words, "--pictures", "5", "--seed", "3"]) == 0
    out = capsys.readouterr().out
    model = Path(json.loads(out.splitlines()[-1])["model"])
    assert (model / "unet" / "config.json").is_file() and (tmp_path / "data" / "pictures-5.npy").is_file()
    assert (
        main(["a girl", "--model", str(model), "--steps", "1", "-o", str(tmp_path / "a.png"), "-W", "128", "-H", "128"])
        == 0
    )
    assert main([*words, "--start", str(tmp_path / "nowhere")]) != 0
    assert "nowhere is no model to start from: it has no model_index.json" in said(capsys)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--recipe", "origami"], "unknown recipe 'origami'; known: kirie"),
        (["--device", "meta"], "recipe kirie has nothing for the device 'meta'"),
        (["--device", "warp9"], "warp9"),
        (["--minutes", "0"], "minutes"),
    ],
)
def test_what_is_refused(words: list[str], sentence: str, tmp_path: Path, capsys) -> None:
    assert main(["train", "scratch", "--out", str(tmp_path), *words]) == 2
    assert sentence in said(capsys)
