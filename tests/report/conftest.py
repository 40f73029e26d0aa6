"""One small run of kirie, watched once for all tests of what is shown of it."""

from __future__ import annotations

from typing import Any

import pytest

import sukashi
from browser import chromium  # noqa: F401  a fixture
from sukashi.pipeline import Pipeline
from sukashi.watch.export import view
from sukashi.watch.recording import Recording, record

PROMPT, NEGATIVE = "a (cat:1.3) with round glasses", "hat"


@pytest.fixture(scope="session")
def kirie() -> Pipeline:
    return sukashi.load("kirie", device="cpu")


@pytest.fixture(scope="session")
def watched(kirie: Pipeline) -> Recording:
    return record(kirie, PROMPT, negative_prompt=NEGATIVE, seed=1, steps=5, width=64, height=64)


@pytest.fixture(scope="session")
def plain(kirie: Pipeline) -> Recording:
    """The same words from the same noise, without guidance."""
    return record(kirie, PROMPT, guidance=1.0, seed=1, steps=5, width=64, height=64)


@pytest.fixture(scope="session")
def shown(watched: Recording) -> dict[str, Any]:
    return view(watched)
