"""The report of the benchmarks: ratios turn by turn, goals with their bounds, and nothing that was not measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import overhead, peers, suite, verdict


def side(turn: int, seconds: float, load: float = 1.0, peak: float = 100.0) -> dict[str, float]:
    return {"turn": turn, "seconds": seconds, "cpu": seconds, "load": load, "first": 1.0, "peak": peak}


def write(folder: Path, name: str, found: peers.Found) -> None:
    (folder / f"{name}.json").write_text(json.dumps({"found": found}))
    (folder / f"{name}.md").write_text("| the table |\n")


def test_ratios_are_of_the_same_turn() -> None:
    found = {"sukashi": [side(0, 2.0), side(1, 4.0)], "diffusers": [side(1, 6.0, load=3.0), side(2, 9.0)]}
    assert peers.ratios(found, "diffusers", "seconds") == [1.5]
    assert peers.ratios(found, "diffusers", "start") == [2.0]
    assert peers.ratios(found, "openvino", "seconds") == []


def test_how_far_outputs_are_apart() -> None:
    a, b = np.array([1.0, -4.0]), np.array([1.0, -2.0])
    assert peers.apart("unet", b, a) == 0.5
    assert peers.apart("picture", np.array([255, 0], np.uint8), np.array([0, 0], np.uint8)) == pytest.approx(0.5**0.5)


def test_goals_are_judged_by_their_bounds(tmp_path: Path) -> None:
    found = {
        "sukashi": [side(0, 2.0, peak=90.0), side(1, 2.0)],
        "diffusers": [side(0, 3.2), side(1, 3.4)],
        "openvino": [side(0, 1.8)],
    }
    write(tmp_path, "peers-unet-float32-64", found)
    rows = [{"name": "the same, beside torch alone", "ratio": 1.3}]
    (tmp_path / "bench.json").write_text(json.dumps({"rows": rows}))
    (tmp_path / "bench.md").write_text("| small |\n")
    text = verdict.report(tmp_path, ["vae: stopped"])
    lines = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert "| at least 1.5 | 1.65 (1.60 to 1.70) | yes |" in lines[verdict.GOALS[0].name]
    assert "| 0.90 (0.90 to 0.90) | **no** |" in text  # OpenVINO is ahead
    assert "| at most 1.25 | 1.30 (1.30 to 1.30) | **no** |" in text
    assert "| at most 1 | 0.95 (0.90 to 1.00) | yes |" in text  # memory
    assert "not measured" in text and "Left out: vae: stopped" in text
    whole = (tmp_path / "bench-report.md").read_text()
    assert "| the table |" in whole and "| small |" in whole and (tmp_path / "bench-report.png").stat().st_size > 1000
    assert len(json.loads((tmp_path / "bench-report.json").read_text())["goals"]) == len(verdict.GOALS)


def test_the_calls_of_one_step() -> None:
    x = torch.ones(3)

    def draw(steps: int) -> None:
        x.neg()
        for _ in range(steps):
            x.add(1).mul(2)
        x.exp()

    calls = overhead.step_calls(draw)
    assert sorted(str(call) for call, _, _ in calls) == ["aten.add.Tensor", "aten.mul.Tensor"]
    assert 0 < overhead.seconds(calls) < 0.1


def test_every_goal_has_a_stage() -> None:
    words = [" ".join(stage.command) for stage in suite.QUICK + suite.FULL]
    for part in (
        "--part vae",
        "--part picture",
        "--dtype bfloat16",
        "benchmarks.demo",
        "--only load",
        "overhead --compile",
    ):
        assert any(part in word for word in words)
    assert len({stage.name for stage in suite.QUICK + suite.FULL}) == len(words)
    assert sum(stage.minutes for stage in suite.QUICK + suite.FULL) <= 70 and sum(s.minutes for s in suite.QUICK) <= 6
