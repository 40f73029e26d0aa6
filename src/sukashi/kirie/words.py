"""Which words kirie knows: those of the captions it was trained on."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")


def path() -> Path:
    """The folder of the model that ships inside the package, in diffusers format."""
    return Path(__file__).parent / "model"


@cache
def known_words() -> frozenset[str]:
    """The words of the model's captions, in lower case. Raises FileNotFoundError where the model is not installed."""
    words: list[str] = json.loads((path() / "words.json").read_text(encoding="utf-8"))
    return frozenset(words)


def unknown_words(prompt: str) -> list[str]:
    """The words of ``prompt`` that kirie has never seen, each once, in their order; numbers and signs are no words.

    >>> unknown_words("a girl in front of a castle")
    ['castle']
    """
    return list(dict.fromkeys(w for w in WORD.findall(prompt.lower()) if w not in known_words()))
