from __future__ import annotations

import re
from random import Random

import pytest

from sukashi.kirie.captions import THOROUGH, caption, tell
from sukashi.kirie.chance import draw_scene
from sukashi.kirie.claims import Claim, true_of
from sukashi.kirie.phrases import BLAME, LOW, NOUNS, PLURALS
from sukashi.kirie.scene import FOODS, PLACES, Figure, Scene, Shape


def test_what_a_caption_says_is_in_the_picture() -> None:
    for seed in range(800):
        scene = draw_scene(Random(f"a {seed}"))
        text = caption(scene, Random(f"b {seed}"))
        padded, figures = f" {text.replace(',', ' ')} ", scene.figures
        if "glasses" in text.replace("without glasses", ""):
            assert any(f.glasses for f in figures), text
        for word in (*FOODS, "crown", "cap", "scarf"):
            worn = any(word in (f.food, f.hat, "scarf" if f.scarf else "") for f in figures)
            assert f" {word} " not in padded or worn, text
        for figure in figures:
            nouns = (*NOUNS[figure.subject], f"two {PLURALS[figure.subject]}")
            assert any(f" {noun} " in padded for noun in nouns), text
        if not figures:
            assert not any(f" {nouns[0]} " in padded for nouns in NOUNS.values()), text
        for shape in scene.shapes:
            assert f" {shape.kind} " in padded, text
        if " sunrise " in padded or " ship " in padded:
            assert scene.place == "sea", text
        for word, pose in (("flying", "flying"), ("waving", "waving")):
            assert word not in text or any(f.pose == pose for f in figures), text
        bad = any(word in text for words in (*BLAME.values(), LOW) for word in words)
        assert bad == bool(scene.flaw), text


def test_claims_are_true_and_every_word_has_one() -> None:
    """The words that name a thing and the claims about it come together, and the claims hold."""
    words = {"pizza": "food", "glasses": "glasses", "scarf": "scarf", "hat": "hat", "waving": "pose", "left": ""}
    for seed in range(1500):
        scene = draw_scene(Random(f"c {seed}"))
        text, claims = tell(scene, Random(f"d {seed}"))
        for claim in claims:
            assert true_of(claim, scene), (text, claim)
        what = {claim.what for claim in claims}
        for word, kind in words.items():
            if re.search(rf"\b{word}\b", text):
                assert kind in what if kind else what & {"side", "relation"}, (text, claims)
        for place in PLACES:
            assert re.search(rf"\b{place}\b", text) is None or what & {"place"}, text


def test_a_thorough_caption_says_everything_about_one_figure() -> None:
    figure = Figure(subject="bear", coat="brown", glasses=True, hat="cap", hat_colour="red", scarf="blue", food="apple")
    scene = Scene(figures=(figure,), place="forest", flaw="noisy")
    for seed in range(50):
        what = {claim.what for claim in tell(scene, Random(seed), THOROUGH).claims}
        assert what >= {"subject", "coat", "glasses", "hat", "scarf", "food", "place", "flaw"}


def test_claims_that_do_not_hold() -> None:
    left, right = (Figure(subject=s, coat="gray", x=x) for s, x in (("cat", -30.0), ("dog", 30.0)))
    scene = Scene(figures=(left, right), place="sea")
    assert true_of(Claim("relation", "left of 2", 1), scene) and not true_of(Claim("relation", "left of 1", 2), scene)
    for false in (
        ("subject", "dog", 1),
        ("hat", "any", 1),
        ("glasses", "yes", 2),
        ("place", "sky"),
        ("paper", "white"),
    ):
        assert not true_of(Claim(*false), scene), false
    shapes = (Shape(kind="star", colour="red", y=30), Shape(kind="heart", colour="blue", y=90))
    assert true_of(Claim("relation", "above 2", 1), Scene(shapes=shapes))
    assert not true_of(Claim("relation", "right of 2", 1), Scene(shapes=shapes))
    with pytest.raises(ValueError, match="mood"):
        true_of(Claim("mood", "happy", 1), scene)


def test_two_figures_and_shapes_are_worded_like_this() -> None:
    texts = set()
    for seed in range(6000):
        scene = draw_scene(Random(f"e {seed}"))
        if len(scene.figures) == 2 or scene.shapes:
            texts.add(caption(scene, Random(f"f {seed}")))
    for pattern in (
        r"^a \w+ with glasses and a \w+",
        r"on the left and an? .* on the right",
        r"an? \w+ to the left of an? \w+",
        r"^two (girls|cats|robots|astronauts)",
        r"a \w+ circle (above|below|over|under) an? \w+ square",
        r"^a big \w+ star",
    ):
        assert any(re.search(pattern, text) for text in texts), pattern
