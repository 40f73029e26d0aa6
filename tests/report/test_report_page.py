"""A report in a browser: one cursor moves everything, words light their maps, at a desk and on a phone."""

from __future__ import annotations

from typing import Any

import pytest

from browser import PHONE, opened
from sukashi.watch.export import view
from sukashi.watch.page import page
from sukashi.watch.recording import Recording

CANVAS = ".see-frame canvas"
DRAWN = "k => document.querySelectorAll('.see-frame canvas')[k].toDataURL()"


@pytest.fixture(scope="session")
def one(shown: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(page(shown), tmp_path_factory)


@pytest.fixture(scope="session")
def two(shown: dict[str, Any], plain: Recording, tmp_path_factory: pytest.TempPathFactory) -> str:
    return written(page(shown, compare=view(plain)), tmp_path_factory)


def written(text: str, factory: pytest.TempPathFactory) -> str:
    path = factory.mktemp("report") / "report.html"
    path.write_text(text, encoding="utf-8")
    return path.as_uri()


def place(shown: Any) -> str:
    return str(shown.locator(".see-place").text_content())


def drawn(shown: Any, k: int = 0) -> str:
    """What canvas k shows, once nothing changes any more."""
    before = ""
    for _ in range(20):
        shown.wait_for_timeout(60)
        now = str(shown.evaluate(DRAWN, k))
        if now == before:
            return now
        before = now
    raise AssertionError("the picture never settles")


def test_the_cursor_moves_every_panel(chromium: Any, one: str) -> None:
    with opened(chromium, one) as shown:
        assert place(shown) == "step 5 of 5"
        last, legend = drawn(shown), shown.locator(".see-legend").all_text_contents()
        shown.locator("body").press("ArrowLeft")
        shown.locator("body").press("ArrowLeft")
        assert place(shown) == "step 3 of 5"
        shown.wait_for_url("**#step=3")
        assert drawn(shown) != last
        assert shown.locator(".see-legend").all_text_contents() != legend
        slider = shown.locator(".see-transport input")
        assert slider.input_value() == "3" and "step 3 of 5" in slider.get_attribute("aria-valuetext")
        shown.locator("summary").click()
        assert shown.locator(".see-steps .see-now th").text_content() == "3"
        slider.focus()
        slider.press("Home")
        assert place(shown) == "step 1 of 5"
        shown.locator(".see-transport input").fill("4")
        assert place(shown) == "step 4 of 5"
        shown.locator(".see-film button").nth(1).click()
        assert place(shown) == "step 2 of 5"
        shown.locator(".see-steps tbody tr").nth(4).click()
        assert place(shown) == "step 5 of 5"


def test_a_click_on_a_curve_moves_the_cursor(chromium: Any, one: str) -> None:
    with opened(chromium, one) as shown:
        over = shown.locator(".see-curves .u-over").first
        over.scroll_into_view_if_needed()
        box = over.bounding_box()
        over.click(position={"x": box["width"] * 0.26, "y": box["height"] / 2})
        assert place(shown) == "step 2 of 5"


def test_it_plays_and_stops(chromium: Any, one: str) -> None:
    with opened(chromium, one) as shown:
        shown.get_by_role("button", name="Play").click()
        shown.get_by_role("button", name="Pause").click()
        stopped = place(shown)
        shown.wait_for_timeout(700)
        assert place(shown) == stopped != "step 5 of 5"
        shown.locator(".see-head").click()
        shown.keyboard.press(" ")
        shown.locator(".see-place", has_text="step 5 of 5").wait_for()
        shown.get_by_role("button", name="Play").wait_for()


def test_a_word_lights_its_map(chromium: Any, one: str) -> None:
    with opened(chromium, one) as shown:
        plain = drawn(shown)
        chip = shown.locator(".see-chip.see-light", has_text="glasses")
        chip.click()
        lit = drawn(shown)
        assert lit != plain and chip.get_attribute("aria-pressed") == "true"
        assert "glasses" in shown.locator(CANVAS).get_attribute("aria-label")
        shown.wait_for_url("**word=positive*")
        assert shown.locator(".see-token-about").text_content().startswith("glasses")
        assert shown.locator(".see-nearest li").count() == 5
        shown.locator("body").press("ArrowLeft")
        follows = drawn(shown)
        shown.get_by_role("radio", name="all steps").check()
        whole = drawn(shown)
        shown.locator(".see-map-controls select").select_option("8×8")
        layer = drawn(shown)
        shown.get_by_role("radio", name="cut-out").check()
        paper = drawn(shown)
        assert len({plain, lit, follows, whole, layer, paper}) == 6
        shown.locator(".see-chip.see-light", has_text="hat").click()
        assert shown.locator(".see-map-controls").text_content().count("negative prompt") == 1
        shown.get_by_role("button", name="take the map away").click()
        assert not shown.locator(".see-map-controls").is_visible()


def test_it_works_with_a_keyboard(chromium: Any, one: str) -> None:
    with opened(chromium, one) as shown:
        reached = []
        for _ in range(30):
            shown.keyboard.press("Tab")
            reached.append(shown.evaluate("document.activeElement.className || document.activeElement.type"))
            if "see-light" in str(reached[-1]):
                break
        assert "see-play" in reached and "range" in reached
        assert shown.locator(".see-token-about").text_content().startswith("a")
        shown.keyboard.press("Enter")
        assert shown.locator("[aria-pressed=true]").count() == 1
        shown.keyboard.press("ArrowLeft")
        assert place(shown) == "step 4 of 5"
        shown.keyboard.press("Escape")
        assert shown.locator("[aria-pressed=true]").count() == 0


def test_what_is_shown_of_a_step(chromium: Any, one: str) -> None:
    with opened(chromium, one) as shown:
        labels = ["guess", "latent", "noise", "guidance", "finished"]
        group = shown.get_by_role("radiogroup", name="What is shown")
        assert group.locator("label").all_text_contents() == labels
        seen = set()
        for label in labels:
            group.get_by_role("radio", name=label).check()
            seen.add(drawn(shown))
        assert len(seen) >= 4  # the last guess and the finished picture may be alike


def test_weights_padding_and_blocks(chromium: Any, one: str) -> None:
    with opened(chromium, one) as shown:
        assert shown.locator(".see-chip", has_text="cat").locator("sup").text_content() == "×1.3"
        chips = shown.locator(".see-chip:visible").count()
        shown.locator(".see-more").first.click()
        assert shown.locator(".see-chip:visible").count() == chips + 42
        assert not shown.locator(".see-network table").is_visible()
        shown.locator(".see-stage-box", has_text="mid_block").click()
        table = shown.locator(".see-network table")
        assert "attentions.0" in table.text_content() and "nets/unet.py:" in table.text_content()
        shown.locator(".see-stage-box", has_text="mid_block").click()
        assert not table.is_visible()


def test_it_fits_a_phone(chromium: Any, one: str) -> None:
    with opened(chromium, one + "#step=2", **PHONE) as shown:
        assert place(shown) == "step 2 of 5"
        assert shown.evaluate("document.documentElement.scrollWidth") <= 390
        for y in (0, 900, 2400):
            shown.evaluate(f"scrollTo(0, {y})")
            shown.wait_for_timeout(50)
            box = shown.locator(".see-transport").bounding_box()
            assert box["y"] + box["height"] <= 845 and box["y"] > 650  # always within reach of a thumb
        shown.locator(".see-chip.see-light", has_text="cat").tap()
        shown.wait_for_timeout(700)
        frame = shown.locator(".see-frame").bounding_box()
        assert -frame["height"] / 2 < frame["y"] < 844 - frame["height"] / 2  # the lit picture came into view
        small = shown.evaluate(
            "[...document.querySelectorAll('.see button:not(.see-film button), .see label')]"
            ".filter(e => e.offsetParent).map(e => e.getBoundingClientRect())"
            ".filter(r => Math.min(r.width, r.height) < 24).length"
        )
        assert small == 0


def test_light_and_dark(chromium: Any, one: str) -> None:
    colours = []
    for scheme in ("light", "dark"):
        with opened(chromium, one, color_scheme=scheme) as shown:
            ground, paper, ink = (
                shown.evaluate("([s, p]) => getComputedStyle(document.querySelector(s))[p]", [select, name])
                for select, name in (("body", "backgroundColor"), (".see-sheet", "backgroundColor"), (".see", "color"))
            )
            colours.append([sum(map(int, c[4:-1].split(","))) for c in (ground, paper, ink)])
    light, dark = colours
    assert min(light[:2]) > 600 > 150 > light[2] and max(dark[:2]) < 150 < 600 < dark[2]


def test_two_runs_have_one_cursor(chromium: Any, two: str) -> None:
    with opened(chromium, two) as shown:
        assert shown.locator(CANVAS).count() == 3
        before = [drawn(shown, k) for k in range(3)]
        assert len(set(before)) == 3
        shown.locator("body").press("Home")
        after = [drawn(shown, k) for k in range(3)]
        assert all(a != b for a, b in zip(after, before, strict=True))
        shown.locator(".see-chip.see-light", has_text="glasses").first.click()
        assert shown.locator(".see-chip[aria-pressed=true]").count() == 2  # the word of both
        assert drawn(shown, 0) != after[0] and drawn(shown, 1) != after[1] and drawn(shown, 2) == after[2]
        differs = shown.locator(".see-differs th").all_text_contents()
        assert differs == ["negative_prompt", "guidance"]


def test_japanese(chromium: Any, one: str) -> None:
    with opened(chromium, one + "#step=2") as shown:
        shown.get_by_role("radio", name="日本語").check()
        assert place(shown) == "5 ステップ中 2" and shown.evaluate("document.documentElement.lang") == "ja"
        assert shown.locator(".see-words h3").text_content() == "ことば"
        shown.locator("body").press("ArrowRight")
        assert place(shown) == "5 ステップ中 3"


def test_a_hostile_prompt_runs_nothing(
    chromium: Any, shown: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    hostile = "</script><script>window.hit = 1</script><img src=x onerror='window.hit = 1'>"
    words = [{**word, "word": hostile} for word in shown["attention"]["words"]]
    tokens = {side: [{**token, "piece": hostile} for token in some] for side, some in shown["tokens"].items()}
    view = {**shown, "prompt": hostile, "notes": [hostile], "tokens": tokens}
    view |= {"attention": {**shown["attention"], "words": words}, "negative_prompt": hostile}
    with opened(chromium, written(page(view), tmp_path_factory)) as there:
        there.locator(".see-chip.see-light").first.click()
        assert there.locator(".see-head h2").text_content() == hostile
        assert there.evaluate("window.hit") is None


def test_another_version_is_said_so(chromium: Any, shown: dict[str, Any], tmp_path_factory: Any) -> None:
    with opened(chromium, written(page({**shown, "version": 2}), tmp_path_factory)) as there:
        assert "this one is version 2" in there.get_by_role("alert").text_content()
