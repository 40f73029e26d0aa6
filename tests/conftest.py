"""Fixtures that every test area shares."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of reference files made by others; SUKASHI_SHARED_DATA names another place for it."""
    override = os.environ.get("SUKASHI_SHARED_DATA")
    folder = Path(override) if override else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the reference files are not at {folder} (set SUKASHI_SHARED_DATA to their folder)")
    return folder


def pytest_runtest_setup() -> None:
    """Skip what is left when the time is over: SUKASHI_TEST_DEADLINE, in seconds since 1970 (.ci/run sets it)."""
    deadline = os.environ.get("SUKASHI_TEST_DEADLINE")
    if deadline and time.time() > float(deadline):
        pytest.skip("no time left for this test (SUKASHI_TEST_DEADLINE is over)")
