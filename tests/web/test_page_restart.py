"""A server is killed while it draws, and started again: the page waits for it, and the picture is finished."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from live_server import free_port, serving

from browser import opened


@pytest.mark.slow
def test_the_page_waits_for_its_server(chromium: Any, tmp_path: Path) -> None:
    port = free_port()
    told = pytest.raises(AssertionError, match="net::ERR_")  # by the browser itself, to its console
    with serving(tmp_path, port) as (address, process), told, opened(chromium, address) as page:
        page.fill("#prompt", "a cat")
        page.fill("#steps", "150")
        page.fill("#seed", "4")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("text=/Step \\d+ of 150/")
        process.kill()
        page.wait_for_selector("text=The server does not answer")
        with serving(tmp_path, port):
            page.wait_for_selector(".caption", timeout=90_000)
            assert "seed 4" in page.inner_text(".facts")
