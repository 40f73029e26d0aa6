"""What ``sukashi show schedule`` says is what runs walk and models were trained with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import sukashi
from sukashi.cli import main
from sukashi.diffusion.names import resolve
from sukashi.diffusion.schedule import NoiseSchedule, betas
from sukashi.families import FAMILIES
from sukashi.watch.plots import Line, Panel, chart
from sukashi.watch.schedule import training, walks

SD = FAMILIES["sd1"].scheduler


def test_training_is_what_the_config_says() -> None:
    found, schedule = training(NoiseSchedule(SD)), NoiseSchedule(SD)
    np.testing.assert_allclose(found.betas, betas(schedule.config).double().numpy(), rtol=2e-3, atol=1e-7)
    np.testing.assert_allclose(found.alphas_cumprod, torch.cumprod(1 - betas(schedule.config), 0).numpy())
    snr = np.array(found.alphas_cumprod) / (1 - np.array(found.alphas_cumprod))
    np.testing.assert_allclose(np.array(found.snr), snr)
    np.testing.assert_allclose(np.array(found.sigma) ** -2, snr, rtol=1e-5)
    assert found.sampled[0][0] == 0 and found.sampled[-1] == (999, found.alphas_cumprod[999])


def test_zero_snr_has_no_infinity_in_its_json() -> None:
    config = {"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    found = training(NoiseSchedule(dict(SD) | config))
    assert found.sigma[-1] is None and found.snr[-1] == 0 and found.betas[-1] == 1
    assert "Infinity" not in json.dumps(found.to_dict())


def test_walks_are_those_of_a_run() -> None:
    pipe = sukashi.load("kirie", device="cpu")
    names, grids = ("DPM++ 2M", "heun"), ("karras", None)
    found = walks(pipe.parts.scheduler, names, grids, (4,))
    assert len(found) == 4
    for walk in found:
        run = pipe.steps("a cat", sampler=walk.sampler, grid=walk.grid, steps=4, seed=0)
        assert list(run.levels) == list(walk.levels) and run.calls == walk.calls
    assert {walk.calls for walk in found} == {4, 7}


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    chart_file = tmp_path / "s.svg"
    words = ["show", "schedule", "--family", "sd1", "--sampler", "euler", "ddim", "--steps", "5", "-o", str(chart_file)]
    assert main([*words, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    euler = resolve("euler", None, SD).levels(5)
    assert values["walks"][0]["t"] == [level.t for level in euler] and len(values["training"]["betas"]) == 1000
    assert values["walks"][0]["sigma"][-1] == 0 and values["walks"][0]["snr"][-1] is None
    assert chart_file.read_bytes().startswith(b"<?xml") and "5 steps (5 calls)" not in chart_file.read_text()[:50]
    assert main(words) == 2 and "exists" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    assert "A: euler, linspace, 5 steps (5 calls)" in capsys.readouterr().out
    assert main(["show", "schedule", "--family", "sd1", "--sampler", "eulr"]) == 2
    assert "did you mean euler?" in capsys.readouterr().err


def test_charts_are_the_same_every_time_and_of_two_kinds() -> None:
    panels = [
        Panel("a", "x", "y", [Line("one", [0, 1, 2], [1.0, None, 3.0]), Line("two", [0, 1], [1.0, 10.0])], log=True)
    ]
    assert chart(panels) == chart(panels)
    assert chart(panels, "png").startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"written as .svg or .png, not .gif"):
        chart(panels, "gif")
