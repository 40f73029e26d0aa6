"""What is stressed in a prompt, and by how much: ``(a)``, ``(a:1.3)``, ``[a]``, and where a new chunk begins: BREAK."""

from __future__ import annotations

from typing import NamedTuple

from sukashi.prompts.grammar import stress_parser

ROUND, SQUARE = 1.1, 1 / 1.1


class Part(NamedTuple):
    """A stretch of text with one weight; ``breaks`` marks the word BREAK, which is no text."""

    text: str
    weight: float = 1.0
    breaks: bool = False


def parse_stress(text: str) -> list[Part]:
    r"""Parts of a prompt as A1111 weighs them; no text is an error.

    ``(a)`` times 1.1, ``(a:1.3)`` times 1.3, ``[a]`` divided by 1.1, all multiplying when nested; ``\(``, ``\)``,
    ``\[``, ``\]`` and ``\\`` are the characters themselves. A bracket that is never closed reaches to the end of the
    text, one that was never opened is text. BREAK counts inside brackets too (in A1111 it is a word there).

    >>> parse_stress("an (important) word")[1]
    Part(text='important', weight=1.1, breaks=False)
    """
    if not any(c in text for c in "()[]\\") and "BREAK" not in text:
        return [Part(text)]
    texts, weights, breaks = list[str](), list[float](), list[bool]()
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def weigh(start: int, factor: float) -> None:
        weights[start:] = [weight * factor for weight in weights[start:]]

    for token in stress_parser().parse(text).children:
        kind, said = token.type, token.value  # type: ignore[union-attr]  # the grammar is flat
        if kind in ("OPEN", "SQUARE_OPEN"):
            opened[said].append(len(texts))
        elif kind == "WEIGHT" and opened["("]:
            weigh(opened["("].pop(), float(said[1:-1]))
        elif kind == "CLOSE" and opened["("]:
            weigh(opened["("].pop(), ROUND)
        elif kind == "SQUARE_CLOSE" and opened["["]:
            weigh(opened["["].pop(), SQUARE)
        else:
            texts.append("BREAK" if kind == "BREAK" else said[1:] if kind == "ESCAPED" else said)
            weights.append(1.0)
            breaks.append(kind == "BREAK")
    for start in opened["("]:
        weigh(start, ROUND)
    for start in opened["["]:
        weigh(start, SQUARE)
    return _joined(texts, weights, breaks) or [Part("")]


def _joined(texts: list[str], weights: list[float], breaks: list[bool]) -> list[Part]:
    """Neighbours of one weight as one part."""
    parts: list[Part] = []
    for text, weight, is_break in zip(texts, weights, breaks, strict=True):
        last = parts[-1] if parts else None
        if is_break:
            parts.append(Part("BREAK", 1.0, True))
        elif last and not last.breaks and last.weight == weight:
            parts[-1] = Part(last.text + text, weight)
        else:
            parts.append(Part(text, weight))
    return parts
