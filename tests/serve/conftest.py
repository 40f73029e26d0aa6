"""One server for all tests that leave it as it is."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi", reason="pip install 'sukashi[serve]'")

from served import Served, in_thread


@pytest.fixture(scope="session", autouse=True)
def nothing_installed() -> Iterator[None]:
    """No models of this machine."""
    before = os.environ.get("SUKASHI_FOLDERS")
    os.environ.pop("SUKASHI_FOLDERS", None)
    yield
    if before is not None:
        os.environ["SUKASHI_FOLDERS"] = before


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """kirie, drawn one by one."""
    with in_thread(tmp_path_factory.mktemp("served"), limits={"pixels": 512 * 512, "queue": 64}) as served:
        yield served
