"""Words that are added to a vocabulary, each for one or more vectors, and how they are found in a text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# A character that continues a word in a script that puts blanks between words (not kana, kanji, hangul).
LETTER = r"[^\W\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f]"


class Words(NamedTuple):
    """Words added to a vocabulary (never changed, only replaced, so that other threads can go on reading)."""

    counts: tuple[tuple[str, int], ...] = ()  # (word, number of its vectors) in the order of their ids
    names: tuple[str, ...] = ()  # of every vector: X, X_1, ..., X_{n-1}
    targets: tuple[tuple[int, int], ...] = ()  # per group of the pattern: the first vector and how many
    pattern: re.Pattern[str] | None = None


def words(counts: Iterable[tuple[str, int]]) -> Words:
    """The names and the search pattern of added words; a longer name is tried before a shorter one."""
    counts = tuple(counts)
    names: list[str] = []
    found: list[tuple[str, tuple[int, int]]] = []
    for word, n in counts:
        found.append((word, (len(names), n)))
        found += [(f"{word}_{i}", (len(names) + i, 1)) for i in range(1, n)]
        names += [word, *(f"{word}_{i}" for i in range(1, n))]
    found.sort(key=lambda item: -len(item[0]))
    pattern = re.compile("|".join(f"({_whole(name)})" for name, _ in found), re.IGNORECASE) if found else None
    return Words(counts, tuple(names), tuple(target for _, target in found), pattern)


def _whole(name: str) -> str:
    """The pattern of a name that is not part of a longer word: "cat" is not in "cat2" nor in "tomcat"."""
    before = f"(?<!{LETTER})" if re.match(LETTER, name[0]) else ""
    after = f"(?!{LETTER})" if re.match(LETTER, name[-1]) else ""
    return before + re.escape(name) + after
