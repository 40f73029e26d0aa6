"""New concepts for kirie: their drawings, their probe, and the experiment, in miniature."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest
import torch
from PIL import Image

from sukashi.cli import kirie
from sukashi.cli.exits import Misuse
from sukashi.cli.parser import build
from sukashi.kirie.claims import true_of
from sukashi.lab.evaluate import to_image
from sukashi.lab.probe import load_probe
from sukashi.lab.teaching import report
from sukashi.lab.teaching.folders import examples
from sukashi.lab.teaching.probe import KINDS, WEIGHTS, accuracies, load_concept_probe, picture_of, pile
from sukashi.lab.teaching.questions import PIZZA, SEEN_FIRST, about_concept, about_others
from sukashi.lab.teaching.run import Eyes, Plan, run
from sukashi.lab.teaching.world import CONCEPTS, lessons, sample
from sukashi.loading import load


@pytest.mark.parametrize("concept", CONCEPTS)
def test_a_seed_is_a_picture_and_its_caption_is_true(concept: str) -> None:
    for seed in range(4):
        one, two = sample(concept, seed), sample(concept, seed)
        assert one.picture.tobytes() == two.picture.tobytes() and one.caption == two.caption
        assert one.caption.count("{}") == 1
        assert all(true_of(claim, one.scene) for claim in one.claims)
    assert sample(concept, 1).picture.tobytes() != sample(concept, 2).picture.tobytes()


def test_every_question_asks_for_something_that_no_lesson_shows() -> None:
    shown = [s.scene.figures[0] for s in lessons("penguin")]
    assert [(f.glasses, f.food) for f in shown] == [
        (False, None), (True, None), (False, "apple"), (False, None), (True, None),
    ]  # fmt: skip
    assert not any(f.hat or f.scarf for f in shown)
    asked = about_concept("penguin", 24)
    assert [q.prompt for q in asked[:SEEN_FIRST]] == [PIZZA] * SEEN_FIRST
    for question in asked:
        (figure,) = question.scene.figures
        assert figure.hat or figure.scarf or figure.food not in (None, "apple")
    assert not {q.prompt for q in asked} & {s.caption for s in lessons("penguin")}
    assert len({q.prompt for q in about_others(6)}) == 6


def test_the_shipped_probe_tells_the_concepts_from_the_world_and_from_decoys() -> None:
    found = accuracies(load_concept_probe(), pile("a test", 12))
    assert set(found) == set(KINDS) and min(found.values()) >= 0.9, found
    assert WEIGHTS.stat().st_size < 300_000


def test_a_decoy_differs_from_the_penguin_in_one_thing() -> None:
    decoy, penguin = picture_of("decoy", Random(1)), picture_of("penguin", Random(1))
    assert decoy.size == penguin.size == (128, 128) and decoy.tobytes() != penguin.tobytes()


def test_lessons_become_a_folder_that_is_read_as_any_other(tmp_path: Path) -> None:
    found = examples(tmp_path, "penguin", "sks", load("kirie", device="cpu"), pictures=2, kept=0)
    assert [(e.caption_from, "sks" in e.caption) for e in found] == [("0.txt", True), ("1.txt", True)]
    assert torch.equal(to_image([found[0].open()]), to_image([lessons("penguin")[0].picture]))


def verdicts(*rights: bool) -> list[list[list[object]]]:
    return [[["kind", "one figure", True], ["glasses", "yes", right]] for right in rights]


def test_the_table_counts() -> None:
    before = {"seen": [False] * 4, "verdicts": verdicts(True, True, True, True)}
    after = {"seen": [True, False, False, False], "verdicts": verdicts(True, True, False, False)}
    assert report.share([True, True, False, False]) == "50 ± 25"
    assert report.claims(after) == [True, True, False, False]
    assert report.pizza(after) == [True, False, False, False]
    assert report.change(after, before) == "-50.0 ± 28.9"
    rows = [report.Row("kirie", after, before), report.Row("taught", after, after, 2.0, 1.0, 30)]
    lines = report.table(rows, "penguin")
    assert "| taught | 25 ± 22 | 25 ± 22 | 50 ± 25 |" in lines[3] and "-50.0 ± 28.9" in lines[3]
    assert lines[3].endswith("| 30 | 2.0 (1.0) |")


@pytest.mark.slow
def test_the_experiment_in_miniature_and_again(tmp_path: Path) -> None:
    ways = ("ti", "lora", "dreambooth-prior")
    plan = Plan(ways=ways, pictures=2, prompts=2, others=2, drawing=(("steps", 1),), steps=1, kept=1)
    pipe, eyes, said = load("kirie", device="cpu"), Eyes(load_probe(), load_concept_probe()), list[str]()
    text = run(pipe, eyes, plan, tmp_path, say=said.append)
    assert len(text.splitlines()) == 2 + 3 + len(ways) and text == (tmp_path / "teaching.md").read_text()
    drawings = json.loads((tmp_path / "drawings.json").read_text())
    assert drawings["seen"] == [True, True] and all(right for v in drawings["verdicts"] for *_, right in v)
    with Image.open(tmp_path / "teaching.png") as sheet:
        assert sheet.height > 6 * report.SIDE
    said.clear()
    assert run(pipe, eyes, plan, tmp_path, say=said.append) == text and not said  # nothing is done twice


def test_the_command_refuses_what_it_does_not_know() -> None:
    args = build("kirie").parse_args(["teach", "--methods", "lora", "hypnosis"])
    with pytest.raises(Misuse, match="unknown method 'hypnosis'; known: ti, lora"):
        kirie.run(args)
    with pytest.raises(Misuse, match="from 1 on"):
        kirie.run(build("kirie").parse_args(["teach", "--prompts", "0"]))
