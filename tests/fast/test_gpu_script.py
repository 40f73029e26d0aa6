"""The script for a GPU: every step is a process that may fail, and the report says what is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks import gpu
from benchmarks.gpu import Step


def test_a_step_that_fails_is_said_and_the_next_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"row": "tiny, float32, plain", "ms": 1.5, "error": 0.25, "notes": ["no CUDA graph: here"]}
    made = [
        Step("doctor", "one", ["-c", "print('sound')"], 60),
        Step("networks", "two", ["-c", "import sys; sys.exit('no such device')"], 60),
        Step("networks", "three", ["-c", f"print({json.dumps(row)!r})"], 60),
        Step("networks", "four", ["-c", "import time; print('begun', flush=True); time.sleep(60)"], 1.5),
        Step("kirie", "five", ["-c", "raise AssertionError('was not asked for')"], 60),
    ]
    monkeypatch.setattr(gpu, "steps", lambda asked: iter(made))
    found = gpu.main(["--out", str(tmp_path), "--only", "doctor", "networks"])
    assert [one["failed"] for one in found] == ["", "exit 1: no such device", "", "stopped after 1.5 s"]
    said = (tmp_path / "gpu.md").read_text()
    assert "sound" in said and "begun" in said and "was not asked for" not in said
    assert "| tiny, float32, plain | 1.5 |  |  |  | 0.25 | no CUDA graph: here |" in said
    assert json.loads((tmp_path / "gpu.json").read_text())["steps"] == found


def test_the_whole_fits_into_its_time() -> None:
    asked = gpu.arguments([])
    steps = list(gpu.steps(asked))
    assert {step.section for step in steps} == set(gpu.SECTIONS)
    assert asked.minutes + asked.vae_minutes + 0.5 <= 11  # beside measurements of at most 14 minutes


@pytest.mark.slow
def test_the_script_runs_on_a_cpu(tmp_path: Path) -> None:
    found = gpu.main(["--check", "--out", str(tmp_path)])
    assert [one["failed"] for one in found] == [""] * len(found)
    assert sum(len(one["rows"]) for one in found) >= 7
    assert "tiny, float32, diffusers, eager" in (tmp_path / "gpu.md").read_text()
