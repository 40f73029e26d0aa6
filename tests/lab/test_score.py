from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
import torch

from sukashi.kirie.captions import tell
from sukashi.kirie.chance import any_scene
from sukashi.kirie.claims import Claim
from sukashi.kirie.scene import Scene, Shape
from sukashi.lab.heads import about_figure, about_picture
from sukashi.lab.read import Reading
from sukashi.lab.score import Tally, asked, judge, standard_error


def perfect(scene: Scene, *, mirrored: bool = False) -> Reading:
    """What a probe that is never wrong reads."""

    def words(found: dict[str, str | None]) -> dict[str, str]:
        return {name: value or "nothing" for name, value in found.items()}

    figures = [words(about_figure(f)) for f in scene.figures] or [{}]
    left, right = (figures[-1], figures[0]) if mirrored else (figures[0], figures[-1])
    whole = words(about_picture(scene, 999))
    shapes = tuple(Random(1).sample(scene.shapes, len(scene.shapes)))  # a probe finds them in any order
    return Reading(whole, figures[0], dict(left), dict(right), shapes, torch.zeros(0), torch.zeros(0))


def test_a_perfect_picture_is_right() -> None:
    for seed in range(500):
        scene = any_scene(Random(f"s {seed}"))
        claims = asked(scene, tell(scene, Random(seed), 1.0).claims)
        verdict = judge(claims, perfect(scene))
        assert all(right for _, right in verdict), (verdict, scene)
        assert [claim for claim, _ in verdict] == claims


def test_another_scene_is_wrong() -> None:
    wrong = 0
    for seed in range(300):
        scene, other = any_scene(Random(f"s {seed}")), any_scene(Random(f"t {seed}"))
        verdict = judge(asked(scene, tell(scene, Random(seed), 1.0).claims), perfect(other))
        wrong += not all(right for _, right in verdict)
    assert wrong > 290


def two(text: str) -> Scene:
    """Two figures of different subjects, from the scenes whose caption holds ``text``."""
    for seed in range(5000):
        scene = any_scene(Random(f"two {seed}"))
        if len(scene.figures) == 2 and len({f.subject for f in scene.figures}) == 2 and scene.figures[0].glasses:
            said = tell(scene, Random(f"say {seed}"), 1.0)
            if (" of " in said.text or "left" in said.text) == (text == "sides"):
                return scene
    raise AssertionError


def test_who_stands_where_matters_only_when_it_is_said() -> None:
    scene = two("sides")
    claims = [Claim("subject", scene.figures[0].subject, 1), Claim("subject", scene.figures[1].subject, 2)]
    assert all(right for _, right in judge(asked(scene, claims), perfect(scene, mirrored=True)))
    verdict = judge(asked(scene, [*claims, Claim("relation", "left of 2", 1)]), perfect(scene, mirrored=True))
    assert [claim.what for claim, right in verdict if not right] == ["relation"]
    assert all(right for _, right in judge(asked(scene, [*claims, Claim("relation", "right of 1", 2)]), perfect(scene)))


def test_glasses_on_the_wrong_figure_are_wrong() -> None:
    scene = two("sides")
    swapped = replace(scene, figures=tuple(replace(f, glasses=not f.glasses) for f in scene.figures))
    one, other = scene.figures
    claims = [Claim("subject", one.subject, 1), Claim("glasses", "yes", 1), Claim("subject", other.subject, 2)]
    verdict = judge(asked(scene, claims), perfect(swapped))
    assert [claim.what for claim, right in verdict if not right] == ["glasses"]


def test_shapes() -> None:
    red, blue = Shape(kind="circle", colour="red", y=30), Shape(kind="square", colour="blue", y=95)
    scene = Scene(shapes=(red, blue))
    claims = [
        Claim("shape", "circle", 1),
        Claim("colour", "red", 1),
        Claim("shape", "square", 2),
        Claim("colour", "blue", 2),
        Claim("relation", "above 2", 1),
    ]

    def wrong(*shapes: Shape) -> list[str]:
        reading = replace(perfect(scene), shapes=shapes)
        return [claim.what for claim, right in judge(asked(scene, claims), reading) if not right]

    assert wrong(blue, red) == []
    assert wrong(replace(red, y=95), replace(blue, y=30)) == ["relation"]
    assert wrong(replace(red, colour="blue"), replace(blue, colour="red")).count("colour") == 2
    assert "count" in wrong(red, blue, replace(red, x=100)) and len(wrong()) == 6


def test_tally() -> None:
    tally, glasses, place = Tally(), Claim("glasses", "yes", 1), Claim("place", "sky")
    tally.add([[(glasses, True), (place, True)], [(glasses, False), (place, True)], [(place, True)]])
    assert tally.rows() == {"place": (3, 3), "glasses": (1, 2), "all attributes": (4, 5), "whole prompts": (2, 3)}
    assert standard_error(80, 100) == pytest.approx(0.04)
