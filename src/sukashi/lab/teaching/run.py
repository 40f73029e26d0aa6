"""Teach kirie something new in every way there is, and measure what it learnt and what it forgot.

``sukashi kirie teach`` runs it; what was trained or measured already is not done again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from sukashi.lab.evaluate import write_json
from sukashi.lab.probe import Probe
from sukashi.lab.teaching import choice, methods, report
from sukashi.lab.teaching.folders import examples
from sukashi.lab.teaching.measure import Draw, answers, by_hand, by_model, kept, through
from sukashi.lab.teaching.probe import ConceptProbe
from sukashi.lab.teaching.questions import KNOWN, Asked, about_concept, about_others, seen_first
from sukashi.lab.teaching.world import lessons
from sukashi.nets.vae import VAE
from sukashi.pipeline import Pipeline

SHOWN = 4  # pictures of PIZZA and of other prompts on the sheet
BEFORE = {"penguin": "kirie, of those it knows", "king": "kirie, told in words", "waves": "kirie, on plain papers"}


class Plan(NamedTuple):
    """What to teach, how, and how much to draw."""

    concept: str = "penguin"
    ways: tuple[str, ...] = ()  # of methods.METHODS; none: those of methods.WAYS
    pictures: int = 5  # of the concept
    prompts: int = 24
    others: int = 24
    choosing: int = 12  # prompts by which it is chosen when to stop
    drawing: tuple[tuple[str, Any], ...] = ()  # options of the pictures, as ("steps", 20)
    steps: int | None = None  # of training, instead of each method's own
    kept: int | None = None  # pictures of prior preservation, instead of each method's own


class Eyes(NamedTuple):
    """The two probes that read the pictures."""

    probe: Probe
    concept: ConceptProbe


def run(pipe: Pipeline, eyes: Eyes, plan: Plan, out: Path, *, say: Callable[[str], object] = print) -> str:
    """Teach one concept and measure; writes teaching.md and teaching.png to ``out`` and returns the table.

    What is kept of the model's own is drawn to ``out``/../kept, for all concepts.
    """
    plan = plan._replace(ways=plan.ways or methods.WAYS[plan.concept])
    concept, vae = plan.concept, pipe.vae
    assert isinstance(vae, VAE)
    asked, others = about_concept(concept, plan.prompts), about_others(plan.others)
    measured = Measure(pipe, eyes, plan, out, say)
    hand, known = by_hand(concept), by_model(pipe, KNOWN[concept], **dict(plan.drawing))
    rows = [
        report.Row("drawn by code", measured("drawings", hand, asked)),
        report.Row("... seen through the autoencoder", measured("reconstructions", through(vae, hand), asked)),
        report.Row(
            BEFORE[concept],
            measured("known", known, asked),
            measured("others", by_model(pipe, ("",), **dict(plan.drawing)), others),
        ),
    ]
    for way in plan.ways:
        rows.append(taught(way, measured, asked, others))
    text = "\n".join(report.table(rows, concept)) + "\n"
    (out / "teaching.md").write_text(text, encoding="utf-8")
    page = pages(out, [(row.title, way) for row, way in zip(rows[3:], plan.ways, strict=True)], plan)
    report.sheet(page).save(out / "teaching.png", optimize=True)
    return text


class Measure(NamedTuple):
    """Asks questions of whatever draws, and keeps the answers and the first pictures in ``out``."""

    pipe: Pipeline
    eyes: Eyes
    plan: Plan
    out: Path
    say: Callable[[str], object]

    def __call__(self, name: str, drawn: Draw, asked: Sequence[Asked], **facts: Any) -> dict[str, Any]:
        """The answers of ``measure.answers``, from ``out``/``name``.json where they are there."""
        plan, pictures = self.plan, list[Image.Image]()
        same = {"concept": plan.concept, "prompts": len(asked), "drawing": [list(o) for o in plan.drawing], **facts}

        def measure() -> dict[str, Any]:
            self.say(f"measuring {name}: {len(asked)} pictures")
            return answers(drawn, asked, self.eyes.probe, self.eyes.concept, plan.concept, pictures)

        found = kept(self.out / f"{name}.json", same, measure)
        for k, picture in enumerate(pictures):
            (self.out / "pictures" / name).mkdir(parents=True, exist_ok=True)
            picture.save(self.out / "pictures" / name / f"{k:03d}.png")
        return found


def taught(way: str, measured: Measure, asked: Sequence[Asked], others: Sequence[Asked]) -> report.Row:
    """Train by one method, unless that was done, and measure."""
    plan, method = measured.plan, method_of(way, measured.plan)
    spent = trained(way, measured.pipe, plan, measured.out, measured.say)
    facts = {"config": method.config.as_json(), "kept": method.kept, "mixed": method.mixed}
    called, options = (method.called,), dict(plan.drawing)

    def score(state: Path) -> float:
        drawn, name = by_model(method.open(state), called, **options), f"{way}-{state.name}"
        return choice.score(measured(name, drawn, about_concept(plan.concept, plan.choosing, "choose"), **facts))

    chosen = choice.best(choice.states(measured.out / way, method.config.steps or 0), score)
    model, facts = method.open(chosen), {**facts, "state": chosen.name}
    return report.Row(
        title=method.title,
        concept=measured(way, by_model(model, called, **options), asked, **facts),
        others=measured(f"{way}-others", by_model(model, ("",), **options), others, **facts),
        minutes=spent["wall"],
        busy=spent["cpu"],
        steps=choice.step_of(chosen) if chosen.name.startswith("step-") else method.config.steps,
    )


def method_of(way: str, plan: Plan) -> methods.Method:
    """The method of that name as the plan wants it."""
    method = methods.for_concept(methods.METHODS[way], plan.concept, plan.steps)
    return replace(method, kept=plan.kept) if method.kept and plan.kept else method


def trained(way: str, pipe: Pipeline, plan: Plan, out: Path, say: Callable[[str], object]) -> dict[str, float | None]:
    """Train by one method into ``out``/way, unless that was done; the minutes it took, by the clock and of one core.

    They are not known (None) of a training that was stopped and gone on with.
    """
    method, clock = method_of(way, plan), out / way / "clock.json"
    if not clock.is_file():
        gone_on = (out / way / "checkpoint.pt").exists()
        begun, busy = time.perf_counter(), time.process_time()
        data = (out, plan.concept, method.called, pipe, plan.pictures, method.kept, plan.drawing)
        methods.teach(method, pipe, examples(*data, mixed=method.mixed), out / way, say)
        spans = {"wall": time.perf_counter() - begun, "cpu": time.process_time() - busy}
        write_json(clock, {name: None if gone_on else span / 60 for name, span in spans.items()})
    spent: dict[str, float | None] = json.loads(clock.read_text(encoding="utf-8"))
    return spent


def pages(out: Path, ways: Sequence[tuple[str, str]], plan: Plan) -> list[tuple[str, list[Image.Image]]]:
    """The rows of the sheet: the lessons, then for every model pictures of the first prompt and of others."""
    first = seen_first(plan.concept, plan.prompts)
    places = [*range(min(SHOWN, first)), *range(first, first + SHOWN)] if first else range(2 * SHOWN)

    def of(name: str) -> list[Image.Image]:
        paths = (out / "pictures" / name / f"{k:03d}.png" for k in places)
        return [Image.open(path).convert("RGB") for path in paths if path.is_file()]

    taught = [shown.picture for shown in lessons(plan.concept, plan.pictures)]
    named = [("drawn by code", "drawings"), ("kirie before", "known"), *ways]
    return [("the lessons", taught), *((title, of(name)) for title, name in named)]
