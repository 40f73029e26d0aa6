"""One tiny model, trained once for all tests that look at what training leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from micro import MICRO

from sukashi.train import scratch


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder; its parent holds the log and the checkpoints."""
    return scratch.train(MICRO, tmp_path_factory.mktemp("run"))
