"""The whole measurement, small: an untrained probe judges a few pictures of the model in the package."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import sukashi
from sukashi.kirie.claims import true_of
from sukashi.lab.evaluate import Plan, Question, drawn_by_hand, drawn_by_model, evaluate, questions, to_image
from sukashi.lab.probe import Probe
from sukashi.lab.read import read
from sukashi.lab.show import sheet, table
from sukashi.pipeline import Pipeline

PLAN = Plan(prompts=3, seeds=2, guidance=(1.0, 3.0), steps=2)


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return sukashi.load("kirie", device="cpu")


@pytest.fixture(scope="module")
def probe() -> Probe:
    torch.manual_seed(0)
    return Probe((4, 4, 6)).eval()


def test_prompts_say_true_things_and_hold_a_held_out_pair() -> None:
    for question in questions(Plan(prompts=40)):
        assert question.scene.held_out() and len(question.claims) > 1
        assert all(true_of(claim, question.scene) for claim in question.claims if claim.what not in ("kind", "count"))
    assert not any(q.scene.held_out() for q in questions(Plan(prompts=20, held_out=False)))
    assert questions(PLAN) == questions(PLAN) != questions(Plan(prompts=3, salt="other"))


def test_the_batch_size_does_not_matter(pipe: Pipeline) -> None:
    def all_of(batch: int) -> list[tuple[Question, np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]]:
        found = drawn_by_model(pipe, PLAN, 2.0, batch)
        return [(q, np.asarray(image)) for some, images in found for q, image in zip(some, images, strict=True)]

    one, two = all_of(2), all_of(3)
    assert len(one) == 6 and [q for q, _ in one] == [q for q, _ in two]
    assert all(np.abs(a.astype(int) - b).max() <= 1 for (_, a), (_, b) in zip(one, two, strict=True))
    assert np.abs(one[0][1].astype(int) - one[3][1]).max() > 20  # another seed, another picture


def test_evaluation_writes_resumes_and_counts(pipe: Pipeline, probe: Probe, tmp_path: Path) -> None:
    said: list[str] = []
    found = evaluate(pipe, probe, PLAN, tmp_path, fingerprint="abc", say=said.append)
    assert list(found["columns"]) == ["drawings", "reconstructions", "guidance 1", "guidance 3"]
    assert [c["pictures"] for c in found["columns"].values()] == [3, 3, 6, 6]
    for column in found["columns"].values():
        rows = column["rows"]
        names = list(rows)
        attributes = [rows[name] for name in names[: names.index("all attributes")]]
        assert tuple(rows["all attributes"]) == (sum(r for r, _ in attributes), sum(n for _, n in attributes))
        assert rows["whole prompts"][1] == column["pictures"]
        assert sum(n for name, (_, n) in rows.items() if name.startswith("- ")) == column["pictures"]
    assert json.loads((tmp_path / "eval.json").read_text()) == json.loads(json.dumps(found))
    lines = table(found)
    assert any(line.startswith("whole prompts") and line.count("±") == 4 for line in lines)
    assert sheet(tmp_path, found).width > 8 * 128
    (tmp_path / "guidance-3.json").unlink()
    again: list[str] = []
    assert evaluate(pipe, probe, PLAN, tmp_path, fingerprint="abc", say=again.append)["columns"].keys()
    assert [line.split(":")[1].startswith(" kept") for line in again] == [True, True, True, False]
    evaluate(pipe, probe, replace(PLAN, guidance=(1.0,), steps=1), tmp_path, fingerprint="abc", say=again.append)
    assert "kept" not in again[-1]  # another plan, another measurement


def test_reading_takes_any_size(probe: Probe) -> None:
    (_, images), *_ = drawn_by_hand(PLAN, 2)
    small = to_image(images)
    large = torch.nn.functional.interpolate(small, scale_factor=2, mode="nearest")
    one, two = read(probe, small), read(probe, large)
    assert one[0].parts.shape == two[0].parts.shape == (15, 32, 32)
    assert torch.allclose(one[0].parts.sum(0), torch.ones(32, 32), atol=1e-5)
    with pytest.raises(ValueError, match="nose"):
        one[0].where("nose")


def test_plans_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="at least 2 prompts"):
        Plan(prompts=1)
