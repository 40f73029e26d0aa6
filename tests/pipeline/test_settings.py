"""Requests: what is refused, what is filled in, and that JSON brings the same request back."""

from __future__ import annotations

import json

import pytest

from sukashi.settings import Settings


def test_json_brings_the_same_request_back() -> None:
    asked = Settings(prompt='a (b), "c"\n', negative_prompt="", steps=7, guidance=2.5, seed=0, rng="nv", eta=0.5)
    assert Settings.from_dict(json.loads(json.dumps(asked.to_dict()))) == asked


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(steps=0), "steps is 0; a whole number of at least 1"),
        (dict(steps=2.5), "steps is 2.5; a whole number"),
        (dict(width=True), "width is True"),
        (dict(seed=-1), "seed is -1; a whole number of at least 0"),
        (dict(rescale=1.5), "rescale is 1.5; a number in 0..1"),
        (dict(guidance=-3), "guidance is -3"),
        (dict(count=0), "count is 0"),
    ],
)
def test_numbers_that_cannot_be_run_are_named(values: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**values)


def test_unknown_settings_are_named() -> None:
    with pytest.raises(ValueError, match="unknown setting 'stepz'; known: prompt"):
        Settings.from_dict({"stepz": 3})


def test_defaults_fill_only_what_was_left_open() -> None:
    filled = Settings(steps=5, seed=0).filled({"steps": 30, "guidance": 3.0, "seed": 9, "width": None})
    assert (filled.steps, filled.guidance, filled.seed, filled.width) == (5, 3.0, 0, None)
