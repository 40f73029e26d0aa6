"""A prompt as a script: voices, scenes, and batches of prompts that change at different times."""

from __future__ import annotations

import pytest

from sukashi.prompts.script import Scene, Voice, script, voices


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a cat", [("a cat", 1.0)]),
        ("a clock at 12:30", [("a clock at 12:30", 1.0)]),
        ("a cat :0.5", [("a cat :0.5", 1.0)]),
        ("a AND b", [("a", 1.0), ("b", 1.0)]),
        ("a :1.2 AND b:0.6 AND c: -1. ", [("a", 1.2), ("b", 0.6), ("c", -1.0)]),
        ("a\nAND\nb : .5\n", [("a", 1.0), ("b", 0.5)]),
        ("SAND ANDES and And", [("SAND ANDES and And", 1.0)]),
        ("AND", [("", 1.0), ("", 1.0)]),
        ("a:b:2 AND c:d", [("a:b", 2.0), ("c:d", 1.0)]),
        ("a [x:y:.5] AND (b:1.1)", [("a [x:y:.5]", 1.0), ("(b:1.1)", 1.0)]),
    ],
)
def test_voices(prompt: str, expected: list[tuple[str, float]]) -> None:
    assert [tuple(voice) for voice in voices(prompt)] == expected


def test_scenes_of_one_prompt() -> None:
    assert script(["a"], [None], 9) == [Scene(9, ((Voice("a"),),), (None,))]
    assert script(["[a:b:.5]"], ["x [y::2]"], 10) == [
        Scene(2, ((Voice("a"),),), ("x y",)),
        Scene(5, ((Voice("a"),),), ("x ",)),
        Scene(10, ((Voice("b"),),), ("x ",)),
    ]
    assert script(["[a:b:3] AND [c|d]:2"], ["p AND q"], 4) == [
        Scene(1, ((Voice("a"), Voice("c", 2.0)),), ("p AND q",)),
        Scene(2, ((Voice("a"), Voice("d", 2.0)),), ("p AND q",)),
        Scene(3, ((Voice("a"), Voice("c", 2.0)),), ("p AND q",)),
        Scene(4, ((Voice("b"), Voice("d", 2.0)),), ("p AND q",)),
    ]


def test_a_scene_in_which_nothing_changes_goes_on() -> None:
    assert [scene.last for scene in script(["[a|a]"], ["[:.5]"], 8)] == [8]
    assert [scene.last for scene in script(["[a:a b:0] [c::2]"], [None], 8)] == [2, 8]


def test_pictures_of_a_batch() -> None:
    scenes = script(["a", "[b:c:2]", "d AND e:.5", None], ["n"] * 4, 4)
    silent = Voice("", 0.0)
    assert [scene.last for scene in scenes] == [2, 4]
    for scene, second in zip(scenes, "bc", strict=True):
        assert scene.wanted == (
            (Voice("a"), silent), (Voice(second), silent), (Voice("d"), Voice("e", 0.5)), (Voice(None), silent),
        )  # fmt: skip
        assert scene.unwanted == ("n",) * 4
