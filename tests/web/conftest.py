"""A live server with kirie, and a browser that looks at its page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from live_server import free_port, serving

from browser import chromium

__all__ = ["chromium"]  # a fixture


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of `sukashi serve` with an empty history."""
    with serving(tmp_path_factory.mktemp("serve"), free_port()) as (address, _):
        yield address
