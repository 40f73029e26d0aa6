"""Pictures that are given to the page: begun from, painted on, dropped to be read, seen through."""

from __future__ import annotations

import base64
import io
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser import opened

DROP = """([data, name, place]) => {
    const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, {type: "image/png"}));
    for (const kind of ["dragover", "drop"]) {
        const event = new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true});
        (document.querySelector(place)?.previousElementSibling ?? document.querySelector("main")).dispatchEvent(event);
    }
}"""


def fetched(server: str, path: str) -> bytes:
    with urllib.request.urlopen(f"{server}{path}") as answer:
        data: bytes = answer.read()
    return data


def newest(server: str) -> dict[str, Any]:
    return json.loads(fetched(server, "api/jobs?limit=1"))["jobs"][0]


@pytest.fixture(scope="module")
def desk(chromium: Any, server: str) -> Iterator[Any]:
    """A page with one finished picture of a girl."""
    with opened(chromium, server) as page:
        page.fill("#prompt", "a girl with glasses")
        page.fill("#steps", "6")
        page.fill("#seed", "11")
        page.click(".go .button")
        page.wait_for_selector(".caption")
        yield page


def stroke(page: Any, *points: tuple[float, float]) -> None:
    """Drag over the canvas; points in parts of its sides."""
    canvas = page.locator(".canvas canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


def painted(page: Any) -> float:
    """The part of the canvas that is covered, when it has come to rest."""
    page.wait_for_timeout(150)
    return float(
        page.evaluate("""() => {
        const {width, height} = document.querySelector('.canvas canvas');
        const copy = new OffscreenCanvas(width, height).getContext('2d');
        copy.drawImage(document.querySelector('.canvas canvas'), 0, 0);
        return copy.getImageData(0, 0, width, height).data.filter((v, k) => k % 4 === 3 && v > 127).length
            / (width * height);
    }""")
    )


@pytest.fixture(scope="module")
def first(desk: Any, server: str) -> dict[str, Any]:
    return newest(server)


def test_a_mask_is_painted_taken_back_and_drawn(desk: Any, server: str, first: dict[str, Any]) -> None:
    desk.click("text=Begin from this")
    desk.wait_for_selector(".canvas canvas")
    stroke(desk, (0.1, 0.1), (0.9, 0.1))
    wide = painted(desk)
    desk.get_by_role("button", name="Undo", exact=False).or_(desk.get_by_label("undo")).first.click()
    assert 0 == painted(desk) < wide
    stroke(desk, (0.3, 0.4), (0.7, 0.4))
    kept = painted(desk)
    desk.get_by_label("Erase").click()
    stroke(desk, (0.3, 0.4), (0.4, 0.4))
    assert 0 < painted(desk) < kept
    assert "the rest stays" in desk.inner_text(".tools + .note")
    desk.fill("#prompt", "a girl with sunglasses")
    desk.fill("#seed", "5")
    desk.click(".go .button")
    desk.wait_for_selector(".caption >> text=sunglasses")
    job = newest(server)
    assert (job["task"], job["options"]["strength"]) == ("inpaint", 0.6)
    before, after = (
        np.asarray(Image.open(io.BytesIO(fetched(server, f"api/jobs/{each['id']}/images/0.png"))).convert("RGB"))
        for each in (first, job)
    )
    changed = (before != after).any(axis=2)
    rows, columns = changed.any(axis=1), changed.any(axis=0)
    assert 0 < changed.mean() < 0.25
    # painted at 40 % of the height, from 30 % to 70 % of the width with a brush of 16 pixels; the left end was erased
    assert not rows[: int(0.3 * 128)].any() and not rows[int(0.5 * 128) :].any()
    assert columns[int(0.5 * 128) : int(0.7 * 128)].any() and not columns[int(0.8 * 128) :].any()


def test_the_keyboard_paints_too(desk: Any) -> None:
    desk.get_by_label("Remove the mask").click()
    desk.get_by_label("Paint", exact=True).click()
    canvas = desk.locator(".canvas canvas")
    desk.keyboard.press("Shift+Tab")  # from the first tool back to the canvas
    assert canvas.evaluate("e => e === document.activeElement")
    for key in ("ArrowRight", "Space"):
        desk.keyboard.press(key)
    desk.keyboard.press("Tab")  # its ring is gone
    one = painted(desk)
    assert 0.005 < one < 0.05
    desk.keyboard.press("Shift+Tab")
    desk.keyboard.press("Control+z")
    desk.keyboard.press("Tab")
    assert painted(desk) == 0


def test_without_a_mask_all_of_it_is_drawn_anew(desk: Any, server: str) -> None:
    desk.locator("#strength").fill("0.5")
    assert desk.locator(".window .skipped").count() == 1
    desk.fill("#prompt", "a dog")
    desk.click(".go .button")
    desk.wait_for_selector(".caption >> text=a dog")
    job = newest(server)
    assert (job["task"], job["options"]["strength"], job["calls"]) == ("image-to-image", 0.5, 3)
    desk.click("text=Without it")
    assert desk.locator(".canvas").count() == 0


def test_a_dropped_png_is_read_replayed_and_compared(desk: Any, server: str, first: dict[str, Any]) -> None:
    picture = fetched(server, f"api/jobs/{first['id']}/images/0.png")
    desk.evaluate(DROP, [base64.b64encode(picture).decode(), "girl.png", "none"])
    desk.wait_for_selector("table.plainly")
    table = desk.inner_text("table.plainly")
    assert "a girl with glasses" in table and "11" in table
    desk.click("text=Draw it again and compare")
    desk.wait_for_selector(".difference")
    assert "equal, value by value" in desk.inner_text(".difference")
    desk.click("text=Use these settings")
    assert desk.input_value("#prompt") == "a girl with glasses"
    assert desk.input_value("#seed") == "11"


def test_a_picture_that_says_nothing_is_told_so(desk: Any, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), "red").save(tmp_path / "red.png")
    desk.click("nav >> text=Read")
    desk.set_input_files("#read-file", tmp_path / "red.png")
    desk.wait_for_selector("text=Nothing in it says how it was made")
    assert "64 × 48" in desk.inner_text(".reading figcaption")
    (tmp_path / "not.png").write_bytes(b"no picture")
    desk.set_input_files("#read-file", tmp_path / "not.png")
    assert "not.png is not a picture" in desk.inner_text("[role=alert]")
    desk.click("[role=alert] button")


def test_a_picture_dropped_on_its_place_is_begun_from(desk: Any) -> None:
    big = io.BytesIO()
    Image.new("RGB", (640, 320), "navy").save(big, "PNG")
    data = base64.b64encode(big.getvalue()).decode()
    desk.click("nav >> text=Draw")
    desk.evaluate(DROP, [data, "navy.png", "#start-file"])
    desk.wait_for_selector(".canvas img")
    assert desk.locator(".floating").count() == 0
    # kirie draws 128 x 128: as many pixels, in the shape of the picture, in whole cells
    assert (desk.input_value("#width"), desk.input_value("#height")) == ("184", "88")
    desk.click("text=Without it")
    assert desk.input_value("#width") == ""


def test_a_finished_run_is_seen_through(desk: Any, first: dict[str, Any]) -> None:
    desk.goto(desk.url.split("#")[0] + f"#/run/{first['id']}")
    desk.wait_for_selector(".caption")
    desk.click("text=Open it up")
    desk.wait_for_selector(".see-head", timeout=60_000)
    assert "a girl with glasses" in desk.inner_text(".see-head")
    word = desk.locator(".see-words, .see-tokens, .see").get_by_role("button", name="glasses", exact=False).first
    word.click()
    assert word.get_attribute("aria-pressed") == "true"
    desk.click("text=日本語")  # another language keeps what was chosen
    desk.wait_for_selector(".see[lang=ja]")
    assert desk.locator(".see [aria-pressed=true]").count() >= 1
    desk.click("text=English")


@pytest.mark.slow
def test_two_runs_are_seen_through_together(chromium: Any, server: str) -> None:
    ids = []
    for negative in ("", "glasses"):
        asked = {"prompt": "a girl with glasses", "negative_prompt": negative, "seed": 2, "steps": 4}
        request = urllib.request.Request(f"{server}api/jobs", json.dumps(asked).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request) as answer:
            ids.append(json.load(answer)["id"])
    with opened(chromium, server) as page:
        page.goto(f"{server}#/run/{ids[1]}")
        page.wait_for_selector(".caption")
        page.goto(f"{server}#/compare/{ids[0]}/{ids[1]}")
        page.click("text=Open it up")
        page.wait_for_selector(".see-compare", timeout=90_000)
        assert page.locator(".see-head > div").count() == 2
        assert page.locator(".see-head .see-negative-prompt").count() == 1
