"""The page: words that light while a picture is drawn, seeds to the last digit, refusals in Japanese, deleting."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from browser import opened

pytestmark = pytest.mark.slow
SEED = "18446744073709551610"


@pytest.fixture(scope="module")
def desk(chromium: Any, server: str) -> Iterator[Any]:
    with opened(chromium, server) as page:
        yield page


def newest(server: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server}api/jobs?limit=1") as answer:
        return json.load(answer)["jobs"][0]


def test_a_word_lights_while_the_picture_is_drawn(desk: Any, server: str) -> None:
    desk.evaluate("localStorage.setItem('sukashi.through', 'true')")
    desk.reload()
    desk.fill("#prompt", "a girl with glasses")
    desk.fill("#steps", "150")
    desk.fill("#seed", SEED)
    desk.keyboard.press("Control+Enter")
    word = desk.get_by_role("button", name="glasses:")
    word.click(timeout=60_000)
    desk.wait_for_selector(".glow")
    lit = "[...document.querySelector('.glow').getContext('2d').getImageData(0, 0, 16, 16).data].some((v) => v)"
    assert desk.evaluate(lit) and word.get_attribute("aria-pressed") == "true"
    job = newest(server)
    assert job["attention"] is True and str(job["settings"]["seed"]) == SEED
    desk.keyboard.press("Escape")
    desk.wait_for_selector(".go [type=submit]")
    desk.evaluate("localStorage.removeItem('sukashi.through')")


def test_long_seeds_keep_their_last_digit(desk: Any, server: str) -> None:
    desk.reload()
    desk.fill("#steps", "1")
    desk.fill("#seed", SEED)
    desk.keyboard.press("Control+Enter")
    desk.wait_for_selector(".caption", timeout=60_000)
    assert f"seed {SEED}" in desk.inner_text(".facts")
    desk.fill("#seed", "")
    desk.click("text=These settings")
    assert desk.input_value("#seed") == SEED


def test_a_refusal_is_told_in_japanese_and_takes_no_picture_away(chromium: Any, server: str) -> None:
    with pytest.raises(AssertionError, match="422"), opened(chromium, server, locale="ja-JP") as page:
        page.fill("#steps", "1")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector(".caption")
        page.fill("#steps", "999")
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("[role=alert]")
        assert "ステップ数 999 は多すぎます。" in page.inner_text("[role=alert]")
        assert page.locator(".caption").count() == 1
        page.click("nav a >> nth=1")
        page.wait_for_selector(".card")
        assert page.locator("[role=alert]").count() == 0


def test_marked_pictures_are_deleted(desk: Any, server: str) -> None:
    desk.reload()
    desk.fill("#steps", "1")
    desk.keyboard.press("Control+Enter")  # a picture of its own to delete
    desk.wait_for_selector(".caption", timeout=60_000)
    gone = newest(server)["id"]
    desk.click("nav >> text=Pictures")
    desk.wait_for_selector(".card")
    before = desk.locator(".card").count()
    desk.locator(".card input").first.check()
    desk.once("dialog", lambda dialog: dialog.accept())
    desk.click("text=Delete")
    desk.locator(".card").nth(before - 1).wait_for(state="detached")
    assert newest(server)["id"] != gone
