"""What is stressed in a prompt, against A1111's published examples."""

from __future__ import annotations

import math
import random

import pytest

from sukashi.prompts.stress import Part, parse_stress

PUBLISHED = {  # the examples in the docstring of A1111's parse_prompt_attention
    "normal text": [("normal text", 1.0)],
    "an (important) word": [("an ", 1.0), ("important", 1.1), (" word", 1.0)],
    "(unbalanced": [("unbalanced", 1.1)],
    r"\(literal\]": [("(literal]", 1.0)],
    "(unnecessary)(parens)": [("unnecessaryparens", 1.1)],
    "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).": [
        ("a ", 1.0),
        ("house", 1.5730000000000004),
        (" ", 1.1),
        ("on", 1.0),
        (" a ", 1.1),
        ("hill", 0.55),
        (", sun, ", 1.1),
        ("sky", 1.4641000000000006),
        (".", 1.1),
    ],
}


@pytest.mark.parametrize("prompt", PUBLISHED)
def test_published_examples(prompt: str) -> None:
    assert [(part.text, part.weight) for part in parse_stress(prompt)] == PUBLISHED[prompt]
    assert not any(part.breaks for part in parse_stress(prompt))


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("", [("", 1.0)]),
        ("[a]", [("a", 1 / 1.1)]),
        ("[[a]]", [("a", 1.0 / 1.1 * (1 / 1.1))]),
        ("[a", [("a", 1 / 1.1)]),
        ("(a: +.5 )", [("a", 0.5)]),
        ("(a:-1)b", [("a", -1.0), ("b", 1.0)]),
        ("a)", [("a)", 1.0)]),
        ("a:1.2)", [("a:1.2)", 1.0)]),  # a weight without its bracket
        ("[a:1.2)", [("a:1.2)", 1 / 1.1)]),  # only round ones take a weight
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),  # no number
        ("(a:)", [("a:", 1.1)]),
        ("(a:b:1.5)", [("a:b", 1.5)]),
        (r"a\b \\ \(", [("a\\b \\ (", 1.0)]),
        ("()", [("", 1.0)]),
        ("(a [b) c]", [("a ", 1.1), ("b", 1.0), (" c", 1 / 1.1)]),
    ],
)
def test_brackets_of_every_kind(prompt: str, parts: list[tuple[str, float]]) -> None:
    found = [(part.text, part.weight) for part in parse_stress(prompt)]
    assert [text for text, _ in found] == [text for text, _ in parts]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in parts], rel=1e-15)


def test_break_is_a_word_of_its_own() -> None:
    assert parse_stress("a BREAK b") == [Part("a"), Part("BREAK", breaks=True), Part("b")]
    assert parse_stress("(a  BREAK\nb:1.2)") == [Part("a", 1.2), Part("BREAK", breaks=True), Part("b", 1.2)]
    assert parse_stress("BREAK") == [Part("BREAK", breaks=True)]
    assert [part.breaks for part in parse_stress("BREAK BREAK a")] == [True, True, False]
    for text in ("a BREAKER b", "break", "UNBREAK", "BREAK_IT"):
        assert parse_stress(text) == [Part(text)]


def test_no_text_is_an_error_and_none_is_lost() -> None:
    rng = random.Random(1)
    pieces = [*"()[]:a é猫\n\0|-.\\", "1.2", ":1.3)", "\\(", "BREAK"]
    for _ in range(400):
        prompt = "".join(rng.choices(pieces, k=rng.randrange(12)))
        parts = parse_stress(prompt)
        assert parts and all(math.isfinite(part.weight) for part in parts)
        if not any(c in prompt for c in "()[]\\") and "BREAK" not in prompt:
            assert parts == [Part(prompt)]
        letters = [c for part in parts if not part.breaks for c in part.text if c in "aé猫\0|"]
        assert letters == [c for c in prompt if c in "aé猫\0|"]


@pytest.mark.parametrize("prompt", ["(" * 3000, "[" * 3000, "(" * 1500 + "a" + ")" * 1500, "(a:1.0)" * 1000])
def test_nesting_may_be_deep(prompt: str) -> None:
    assert parse_stress(prompt)
