"""Chromium for tests of pages: what they share. They skip, saying so, where the browser or playwright is absent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
]
DESK = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture(scope="module")  # closed before the next file: one event loop is open at a time
def chromium() -> Iterator[Any]:
    """The browser of the system: Debian's chromium, or what SUKASHI_CHROMIUM names."""
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = (os.environ.get("SUKASHI_CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    path = next((found for name in names if name and (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("there is no Chromium (Debian: apt-get install chromium; SUKASHI_CHROMIUM names another one)")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, url: str, **options: Any) -> Iterator[Any]:
    """A page of its own at ``url``; fails afterwards where it said an error to the console."""
    context = browser.new_context(**(DESK | {"locale": "en-US"} | options))
    page = context.new_page()
    page.set_default_timeout(15_000)
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    try:
        page.goto(url)
        yield page
        assert not said, "\n".join(said)
    finally:
        context.close()
