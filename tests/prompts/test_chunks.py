"""Long prompts: chunks of 75 with A1111's comma rule, BREAK, and words of several vectors."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from sukashi.nets.tokenizer import Tokenizer
from sukashi.nets.vocabulary import from_merges
from sukashi.prompts.chunks import Place, Unit, chunked, comma_of, cut_short, row, spelled, units
from sukashi.prompts.encode import chunks_needed, read_prompt
from sukashi.prompts.stress import Part, parse_stress
from tiny_models import MERGES, tiny_model

COMMA, WORD = 1, 2


@pytest.fixture
def tokenizer() -> Tokenizer:
    return Tokenizer(from_merges(MERGES))


def unit(i: int) -> Unit:
    return (Place(i, 1.0, "x", 0, 1),)


def sizes(ids: str) -> list[int]:
    """The sizes of the chunks of words (w), commas (,) and BREAKs (|)."""
    found = [() if c == "|" else unit(COMMA if c == "," else WORD) for c in ids]
    return [len(chunk) for chunk in chunked(found, 75, COMMA)]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ("", [0]),
        ("w" * 75, [75]),
        ("w" * 76, [75, 1]),
        ("w" * 54 + "," + "w" * 30, [75, 10]),  # the comma is 21 tokens before the border: too far
        ("w" * 55 + "," + "w" * 30, [56, 30]),  # 20 tokens before it: what follows moves
        ("w" * 55 + "," + "w" * 19, [75]),  # nothing is too long yet
        ("w" * 74 + "," + "w", [75, 1]),
        ("w" * 75 + "," + "w", [75, 2]),  # a comma itself begins the next chunk
        ("w" * 60 + "," + "w" * 5 + "," + "w" * 30, [67, 30]),  # the last comma counts
        ("w" * 60 + "," + "w" * 30 + "w" * 70, [61, 75, 25]),
        ("ww|w", [2, 1]),
        ("ww||w", [2, 0, 1]),
        ("|w", [0, 1]),
        ("w|", [1]),
        ("w" * 75 + "|w", [75, 1]),
        ("w" * 60 + ",|" + "w" * 76, [61, 75, 1]),  # a comma before a BREAK is forgotten
    ],
)
def test_borders(ids: str, expected: list[int]) -> None:
    assert sizes(ids) == expected


def test_nothing_is_lost_and_no_chunk_is_too_long() -> None:
    rng = random.Random(4)
    for _ in range(200):
        found = [unit(rng.choices([COMMA, WORD, 3], [1, 8, 2])[0]) for _ in range(rng.randrange(260))]
        chunks = chunked(found, 75, COMMA)
        assert all(len(chunk) <= 75 for chunk in chunks)
        assert [place for chunk in chunks for place in chunk] == [place for one in found for place in one]
        for chunk, after in pairwise(chunks):  # a chunk ends early only behind a comma
            assert len(chunk) == 75 or (chunk[-1].id == COMMA and 75 - len(chunk) <= 19 and after)


def test_a_word_of_several_vectors_stays_together(tokenizer: Tokenizer) -> None:
    ids = tokenizer.add_word("toy", 4)
    found = units(tokenizer, [Part("cat " * 73 + "toy cat toy", 1.2)], 75)
    chunks = chunked(found, 75, comma_of(tokenizer))
    assert [len(chunk) for chunk in chunks] == [73, 9]
    assert [place.id for place in chunks[1]][:4] == ids and chunks[1][3].weight == 1.2
    assert [len(one) for one in units(tokenizer, [Part("toy toy_1 toytoy toy")], 75)][:2] == [4, 1]
    assert [len(one) for one in units(tokenizer, [Part("toy toy")], 75)] == [4, 4]
    many = tokenizer.add_word("many", 80)
    chunks = chunked(units(tokenizer, [Part("many")], 75), 75, comma_of(tokenizer))
    assert [place.id for chunk in chunks for place in chunk] == many


def test_rows_and_what_falls_off(tokenizer: Tokenizer) -> None:
    found = units(tokenizer, parse_stress("(cat:2) at BREAK \\(cat\\) at"), 75)
    kept, cut = cut_short(found, 4)
    assert spelled(kept) == "cat at (cat" and spelled(cut) == ") at"
    ids, weights = row(tokenizer, kept, 6)
    assert ids == [tokenizer.bos, *tokenizer.encode("cat at (cat"), tokenizer.eos, *[tokenizer.pad] * 2]
    assert weights == [1.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    long = read_prompt(tokenizer, 77, "a cat, " * 40, truncate=True)
    assert long.plain and len(long.chunks) == 1
    assert spelled(long.cut) == tokenizer.cut("a cat, " * 40).strip()


def test_how_many_chunks() -> None:
    parts = tiny_model("sdxl")
    assert chunks_needed(parts, ["cat", None]) == 1
    assert chunks_needed(parts, ["cat " * 76, "cat BREAK cat BREAK cat"]) == 3
    assert chunks_needed(parts, ["cat BREAK cat"], emphasis="none") == 1
