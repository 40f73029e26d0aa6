"""The way for runs with everything that can steer them is the plain way where nothing steers."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch

import sukashi
from sukashi import elaborate as module
from sukashi.settings import EVERY_RUN, PLAIN, STEERING, Settings


@pytest.fixture(scope="module")
def pipe() -> sukashi.Pipeline:
    return sukashi.load("kirie", device="cpu")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"negative_prompt": "glasses", "guidance": 6.0, "sampler": "dpm++ 2m", "grid": "karras"},
        {"sampler": "euler a", "count": 2, "rng": "nv", "rescale": 0.5},
        {"guidance": 1.0, "clip_skip": 2},
    ],
)
def test_nothing_steers_and_nothing_differs(pipe: sukashi.Pipeline, options: dict, monkeypatch) -> None:
    prompt = ["a girl eating pizza", "a cat"] if "count" not in options else "a cat"
    asked = {"seed": 7, "steps": 3, **options}
    called = []
    monkeypatch.setattr(module, "hear", lambda *_: called.append("hear"))
    plain = pipe(prompt, **asked)
    run = module.elaborate(pipe, prompt, None, {}, asked)
    x = run.x
    for step in run:
        x = step.x_next
    assert called == [] and torch.equal(x, plain.latents)
    assert list(run.requests) == list(plain.requests) and run.notes == plain.notes
    assert (run.sampler, run.grid, run.calls) == (plain.sampler, plain.grid, plain.calls)


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        ("a (cat:1.2)", {}),
        ("a cat", {"negative_prompt": "[dog]"}),
        ("a cat " * 60, {}),
        ("a cat", {"negative_start": 0.5, "negative_prompt": "dog"}),
        ("a cat", {"seamless": "x"}),
        ("a cat", {"variation": 0.1}),
    ],
)
def test_what_steers_goes_the_other_way(pipe: sukashi.Pipeline, prompt: str, options: dict) -> None:
    assert not pipe.plain(prompt, Settings(**options).filled(pipe.defaults))


def test_every_setting_is_of_one_kind() -> None:
    assert {f.name for f in fields(Settings)} == {*EVERY_RUN, *STEERING} and not set(EVERY_RUN) & set(STEERING)
    assert not PLAIN.steers and not Settings(steps=3, seed=1, emphasis="none").steers
    assert pipe_plain_words()


def pipe_plain_words() -> bool:
    """Text in brackets is only text where nothing is syntax."""
    pipe = sukashi.load("kirie", device="cpu")
    return pipe.plain("a (cat:1.2)", Settings(emphasis="none").filled(pipe.defaults))
