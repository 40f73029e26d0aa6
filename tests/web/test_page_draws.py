"""The page and a live server: words are typed, a picture is made before one's eyes, cancelled, asked for again."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from browser import PHONE, opened

STEPS = 6


def told(server: str, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{server}api/{path}") as answer:
        return json.load(answer)


def newest(server: str) -> dict[str, Any]:
    return told(server, "jobs?limit=1")["jobs"][0]


@pytest.fixture(scope="module")
def desk(chromium: Any, server: str) -> Iterator[Any]:
    with opened(chromium, server) as page:
        yield page


def draw(page: Any) -> None:
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(".steps")
    page.wait_for_selector(".caption")


def test_a_prompt_is_typed_and_drawn(desk: Any, server: str) -> None:
    desk.fill("#prompt", "a girl with (glasses:1.3) eating pizza")
    chips = desk.locator("#prompt-tokens .chip")
    chips.nth(5).wait_for()
    assert chips.all_inner_texts()[:3] == ["a", "girl", "with"]
    assert "1.3" in desk.locator(".chip.weighted").inner_text()
    desk.wait_for_selector(".count >> text=6 of 46 tokens")
    desk.fill("#steps", str(STEPS))
    desk.fill("#seed", "7")
    # every change of the step line and of the preview is written down while it draws
    desk.evaluate("""() => {
        window.seen = [];
        new MutationObserver(() => {
            const line = document.querySelector('.steps .line span')?.textContent;
            const picture = document.querySelector('.stage .hole img')?.src.slice(0, 11);
            if (line) window.seen.push(`${line} ${picture ?? ''}`);
        }).observe(document.querySelector('.stage'), {subtree: true, childList: true, characterData: true});
    }""")
    draw(desk)
    seen = desk.evaluate("window.seen")
    assert any(re.match(rf"Step \d of {STEPS} data:image/", line) for line in seen), seen
    job = newest(server)
    assert (job["state"], job["settings"]["seed"], job["settings"]["steps"]) == ("done", 7, STEPS)
    picture = desk.locator(".stage .hole img")
    assert picture.get_attribute("alt") == "a girl with (glasses:1.3) eating pizza"
    assert job["id"] in picture.get_attribute("src")
    assert desk.evaluate("document.querySelector('.stage img').decode().then(() => 1)")
    facts = desk.inner_text(".facts")
    assert "seed 7" in facts and f"{STEPS} steps" in facts


def test_tokens_beyond_a_chunk_are_marked(desk: Any) -> None:
    desk.fill("#prompt", " ".join(["cat"] * 50))
    cut = desk.locator("#prompt-tokens .cut")
    cut.wait_for()
    assert "46" in cut.inner_text()
    assert desk.locator("#prompt-tokens .chip").count() == 50
    assert "full" in desk.locator(".count").first.get_attribute("class")


def test_escape_cancels(desk: Any, server: str) -> None:
    desk.fill("#prompt", "a cat")
    desk.fill("#steps", "120")
    desk.keyboard.press("Control+Enter")
    desk.wait_for_selector(".steps")
    desk.keyboard.press("Escape")
    desk.wait_for_selector(".go >> text=Draw")
    desk.wait_for_selector(".steps", state="detached")
    assert newest(server)["state"] == "cancelled"


def test_a_wrong_value_is_told_in_one_sentence(chromium: Any, server: str) -> None:
    with pytest.raises(AssertionError, match="422"), opened(chromium, server) as page:  # the browser logs it too
        page.fill("#width", "13")
        page.keyboard.press("Control+Enter")
        error = page.locator("[role=alert]")
        error.wait_for()
        said = error.inner_text().strip()
        assert "13" in said and "\n" not in said
        page.click("[role=alert] button")
        assert page.locator("[role=alert]").count() == 0


def test_the_window_is_dragged_and_asked_for(desk: Any, server: str) -> None:
    desk.fill("#prompt", "a girl eating pizza")
    desk.fill("#negative", "glasses")
    desk.fill("#steps", "10")
    box = desk.locator(".window").bounding_box()
    handle = desk.locator(".handle.from").bounding_box()
    y = handle["y"] + handle["height"] / 2
    desk.mouse.move(handle["x"] + handle["width"] / 2, y)
    desk.mouse.down()
    desk.mouse.move(box["x"] + box["width"] * 0.31, y, steps=4)
    desk.mouse.up()
    slider = desk.get_by_role("slider", name="The negative prompt begins")
    assert slider.get_attribute("aria-valuenow") == "3"
    desk.get_by_role("slider", name="The negative prompt ends").focus()
    desk.keyboard.press("ArrowLeft")
    desk.keyboard.press("ArrowLeft")
    assert "from step 3 to 8 of 10" in desk.inner_text(".walk + .note")
    middle = box["x"] + box["width"] * 0.55  # the whole window, by its middle
    desk.mouse.move(middle, box["y"] + 20)
    desk.mouse.down()
    desk.mouse.move(middle + box["width"] * 0.1, box["y"] + 20, steps=3)
    desk.mouse.up()
    assert "from step 4 to 9 of 10" in desk.inner_text(".walk + .note")
    draw(desk)
    settings = newest(server)["settings"]
    assert (settings["negative_start"], settings["negative_stop"]) == ("step 4", "step 9")


def test_two_runs_of_the_same_noise_stand_beside_one_another(desk: Any) -> None:
    desk.click("text=Hold beside")
    assert desk.input_value("#seed") == desk.locator(".facts span").first.inner_text().split()[1]
    desk.fill("#negative", "")
    desk.fill("#steps", "4")
    draw(desk)
    assert desk.locator(".frames .hole").count() == 2
    desk.click("text=Compare the two")
    desk.wait_for_selector(".difference img")
    assert "the same noise" in desk.inner_text("main > .note")
    apart = desk.locator("table.plainly th[scope=row]").all_inner_texts()
    assert {"negative_prompt", "negative_start", "negative_stop", "steps"} == set(apart)
    assert re.search(r"Largest difference \d+ of 255", desk.inner_text(".difference"))


@pytest.mark.slow
def test_one_of_several_pictures_is_laid_beside(chromium: Any, server: str) -> None:
    with opened(chromium, server) as page:
        page.fill("#prompt", "a boat")
        page.fill("#steps", "2")
        page.fill("#seed", "20")
        page.fill("#count", "3")
        draw(page)
        assert page.locator(".several img").count() == 3
        page.click(".several button >> nth=2")
        assert "seed 22" in page.inner_text(".facts")
        page.click("text=Hold beside")
        page.fill("#count", "1")
        page.fill("#guidance", "6")
        draw(page)
        page.click("text=Compare the two")
        page.wait_for_selector(".difference")
        assert "same noise, seed 22" in page.inner_text("main > .note")


def test_pictures_are_found_by_their_prompt_and_opened(desk: Any) -> None:
    desk.click("nav >> text=Pictures")
    desk.wait_for_selector(".card img")
    desk.fill("#search", "(glasses:1.3)")
    desk.wait_for_selector(".card:only-child")
    desk.click(".card .hole")
    desk.wait_for_selector(".caption >> text=(glasses:1.3)")
    desk.click("text=These settings")
    assert desk.input_value("#prompt") == "a girl with (glasses:1.3) eating pizza"
    assert (desk.input_value("#seed"), desk.input_value("#steps")) == ("7", str(STEPS))


def test_on_a_phone_nothing_is_wider_than_the_screen(chromium: Any, server: str) -> None:
    with opened(chromium, server, **PHONE) as page:
        page.fill("#prompt", "a cat")
        page.fill("#steps", "2")
        page.tap(".go .button")
        page.wait_for_selector(".caption")
        order = [page.locator(name).bounding_box()["y"] for name in ("#negative", ".stage", "#sampler")]
        assert order == sorted(order)
        for view in ("#/", "#/pictures", "#/read"):
            page.goto(f"{server}{view}")
            page.wait_for_selector("main > *")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, view


def test_language_and_light_are_switched_and_remembered(chromium: Any, server: str) -> None:
    with opened(chromium, server, color_scheme="dark") as page:
        assert page.get_attribute("html", "data-look") == "dark"
        dark = page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor")
        page.click("text=日本語")
        page.click(".switches button >> nth=1")
        assert page.get_attribute("html", "data-look") == "light"
        assert page.evaluate("getComputedStyle(document.body.parentElement).backgroundColor") != dark
        page.reload()
        page.wait_for_selector(".go >> text=描く")
        assert (page.get_attribute("html", "lang"), page.get_attribute("html", "data-look")) == ("ja", "light")


def test_everything_that_can_be_operated_has_a_name(desk: Any) -> None:
    nameless = desk.evaluate("""() => [...document.querySelectorAll(
            'button, a, input, select, textarea, canvas[tabindex]')]
        .filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.title)).map(e => e.outerHTML)""")
    assert not nameless
