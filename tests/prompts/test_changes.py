"""What changes in a prompt during a run, against A1111's published examples."""

from __future__ import annotations

import random

import pytest

from sukashi.prompts.changes import schedule

TEN = 10
PUBLISHED = {  # the examples in the docstring of A1111's get_learned_conditioning_prompt_schedules, for 10 steps
    "test": [(10, "test")],
    "a [b:3]": [(3, "a "), (10, "a b")],
    "a [b: 3]": [(3, "a "), (10, "a b")],
    "a [[[b]]:2]": [(2, "a "), (10, "a [[b]]")],
    "[(a:2):3]": [(3, ""), (10, "(a:2)")],
    "a [b : c : 1] d": [(1, "a b  d"), (10, "a  c  d")],
    "a[b:[c:d:2]:1]e": [(1, "abe"), (2, "ace"), (10, "ade")],
    "a [unbalanced": [(10, "a [unbalanced")],
    "a [b:.5] c": [(5, "a  c"), (10, "a b c")],
    "a [{b|d{:.5] c": [(5, "a  c"), (10, "a {b|d{ c")],
    "((a][:b:c [d:3]": [(3, "((a][:b:c "), (10, "((a][:b:c d")],
    "[a|(b:1.1)]": [(k, "(b:1.1)" if k % 2 == 0 else "a") for k in range(1, 11)],
    "[fe|]male": [(k, "male" if k % 2 == 0 else "female") for k in range(1, 11)],
    "[fe|||]male": [(k, "female" if k % 4 == 1 else "male") for k in range(1, 11)],
}
LANDSCAPE = (
    "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75][ in foreground::0.6]"
    "[ in background:0.25] [shoddy:masterful:0.5]"
)


@pytest.mark.parametrize("prompt", PUBLISHED)
def test_published_examples(prompt: str) -> None:
    assert schedule(prompt, TEN) == PUBLISHED[prompt]


def test_published_examples_of_a_second_pass() -> None:
    assert schedule("a [b:.5] c", TEN, first_pass=10) == [(10, "a b c")]
    assert schedule("a [b:1.5] c", TEN, first_pass=10) == [(5, "a  c"), (10, "a b c")]
    assert schedule("a [b:12] c", TEN, first_pass=10) == [(2, "a  c"), (10, "a b c")]


def test_the_landscape_of_a1111_s_manual() -> None:
    assert schedule(LANDSCAPE, 100) == [
        (25, "fantasy landscape with a mountain and an oak in foreground shoddy"),
        (50, "fantasy landscape with a lake and an oak in foreground in background shoddy"),
        (60, "fantasy landscape with a lake and an oak in foreground in background masterful"),
        (75, "fantasy landscape with a lake and an oak in background masterful"),
        (100, "fantasy landscape with a lake and a christmas tree in background masterful"),
    ]


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("[a::3]", [(3, "a"), (10, "")]),
        ("[a:b:3.0]", [(10, "a")]),  # a point makes it a fraction, here of three runs
        ("[a:b:3.]", [(10, "a")]),
        ("[a:b:1.0]", [(10, "a")]),
        ("[a:b:0]", [(10, "b")]),
        ("[a:b:-4]", [(10, "b")]),
        ("[a:b:1e999]", [(10, "a")]),
        ("[a:b:99]", [(10, "a")]),
        ("[a:b: 3 ]", [(3, "a"), (10, "b")]),
        (r"\[a:b:3\]", [(10, r"\[a:b:3\]")]),
        (r"[a\]:b:3]", [(3, r"a\]"), (10, "b")]),
        ("[a:b:c:3]", [(10, "[a:b:c:3]")]),
        ("[a:b]", [(10, "[a:b]")]),
        ("[a]", [(10, "[a]")]),
        ("a|b [c:3]", [(3, "a|b "), (10, "a|b c")]),
        ("(x [a:b:3]:1.2)", [(3, "(x a:1.2)"), (10, "(x b:1.2)")]),
        ("[x [a:b:3]", [(3, "[x a"), (10, "[x b")]),
        ("[(a:3]", [(10, "[(a:3]")]),
        ("[a|b", [(10, "[a|b")]),
        ("[[a:b]:c:3]", [(10, "[[a:b]:c:3]")]),
    ],
)
def test_what_is_and_is_not_a_change(prompt: str, expected: list[tuple[int, str]]) -> None:
    assert schedule(prompt, TEN) == expected


def test_nested_alternation() -> None:
    assert [text for _, text in schedule("[[a|b]|c:2]", 4)] == ["", "", "a|c", "b|c"]
    assert [text for _, text in schedule("[[a|b]|c]", 4)] == ["a", "c", "a", "c"]
    assert [text for _, text in schedule("[[a|b]:c:2]", 4)] == ["a", "b", "c", "c"]


def test_no_text_is_an_error() -> None:
    rng = random.Random(2)
    pieces = [*"()[]:|3ab 猫\n\\", ".5", ":3]", "\\[", "[a:b:2]", "[c|d]"]
    for _ in range(400):
        prompt = "".join(rng.choices(pieces, k=rng.randrange(14)))
        found = schedule(prompt, 6)
        ends = [end for end, _ in found]
        assert ends == sorted(set(ends)) and ends[-1] == 6 and ends[0] >= 1
        if "]" not in prompt:
            assert found == [(6, prompt)]


@pytest.mark.parametrize(
    "prompt", ["[" * 3000, "[a:" * 1000 + ":3]" * 1000, "[" * 1000 + "|]" * 1000, "(" * 2000 + "]"]
)
def test_nesting_may_be_deep(prompt: str) -> None:
    assert schedule(prompt, 5)[-1][0] == 5
