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
from sukashi.lab.read import read
from sukashi.lab.teaching import choice, report
from sukashi.lab.teaching.folders import examples
from sukashi.lab.teaching.measure import shows
from sukashi.lab.teaching.probe import KINDS, WEIGHTS, accuracies, load_concept_probe, picture_of, pile
from sukashi.lab.teaching.questions import PIZZA, about_concept, about_others, seen_first
from sukashi.lab.teaching.run import Eyes, Plan, run
from sukashi.lab.teaching.world import CONCEPTS, draw, lessons, sample
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
        (False, None), (True, None), (False, "apple"), (False, None), (True, "donut"),
    ]  # fmt: skip
    assert not any(f.hat or f.scarf for f in shown)
    asked = about_concept("penguin", 24)
    assert seen_first("penguin", 24) == 8 and [q.prompt for q in asked[:8]] == [PIZZA] * 8
    for question in asked:
        (figure,) = question.scene.figures
        assert figure.hat or figure.scarf or figure.food not in (None, "apple", "donut")
    assert not {q.prompt for q in asked} & {s.caption for s in lessons("penguin")}
    assert len({q.prompt for q in about_others(6)}) == 6
    for concept in CONCEPTS:
        both = [{q.prompt for q in about_concept(concept, 24, purpose)} for purpose in ("ask", "choose")]
        assert not both[0] & both[1]


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
    assert report.pizza(after, "penguin") == [True, False]
    assert report.change(after, before) == "-50.0 ± 28.9"
    rows = [report.Row("kirie", after, before), report.Row("taught", after, after, 2.0, 1.0, 30)]
    lines = report.table(rows, "penguin")
    assert "| taught | 25 ± 22 | 50 ± 35 | 50 ± 25 |" in lines[3] and "-50.0 ± 28.9" in lines[3]
    assert lines[3].endswith("| 30 | 2.0 (1.0) |")


def test_the_state_is_taken_that_draws_best(tmp_path: Path) -> None:
    kept = [tmp_path / f"step-{step:06d}" for step in (100, 200, 300, 400)]
    for path in kept:
        path.mkdir()
    found = choice.states(tmp_path, 400)
    assert found == kept[1:] and choice.step_of(found[0]) == 200
    assert choice.best(found, {kept[1]: 0.5, kept[2]: 0.7, kept[3]: 0.7}.__getitem__) == kept[3]
    assert choice.best(choice.states(tmp_path / "nothing", 400), lambda _: 1 / 0) == tmp_path / "nothing"
    assert choice.score({"seen": [True, False], "verdicts": verdicts(False, True)}) == 0.25


def test_the_king_is_seen_in_its_drawing_and_not_in_others() -> None:
    drawn = [draw("king", question.scene) for question in about_concept("king", 4)]
    others = [sample("waves", k).picture for k in range(3)]
    image, probe, eye = to_image([*drawn, *others]), load_probe(), load_concept_probe()
    assert shows("king", image, read(probe, image), eye) == [True] * 4 + [False] * 3
    assert shows("waves", image, [], eye) == [False] * 4 + [True] * 3


@pytest.mark.slow
def test_the_experiment_in_miniature_and_again(tmp_path: Path) -> None:
    ways, out = ("ti", "custom", "finetune", "dreambooth-lora"), tmp_path / "penguin"
    plan = Plan(ways=ways, pictures=2, prompts=3, others=2, drawing=(("steps", 1),), steps=1, kept=1)
    pipe, eyes, said = load("kirie", device="cpu"), Eyes(load_probe(), load_concept_probe()), list[str]()
    text = run(pipe, eyes, plan, out, say=said.append)
    assert len(text.splitlines()) == 2 + 3 + len(ways) and text == (out / "teaching.md").read_text()
    drawings = json.loads((out / "drawings.json").read_text())
    assert drawings["seen"] == [True] * 3 and all(right for v in drawings["verdicts"] for *_, right in v)
    with Image.open(out / "teaching.png") as sheet:
        assert sheet.height > 7 * report.SIDE
    said.clear()
    assert run(pipe, eyes, plan, out, say=said.append) == text and not said  # nothing is done twice


def test_the_command_refuses_what_it_does_not_know() -> None:
    args = build("kirie").parse_args(["teach", "--methods", "lora", "hypnosis"])
    with pytest.raises(Misuse, match="unknown method 'hypnosis'; known: dreambooth-prior"):
        kirie.run(args)
    with pytest.raises(Misuse, match="from 1 on"):
        kirie.run(build("kirie").parse_args(["teach", "--prompts", "0"]))
