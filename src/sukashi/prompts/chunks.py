"""From weighted text to chunks of tokens that each fill the places of a text encoder.

A1111's rules: 75 tokens to a chunk (77 places less start and end); where a chunk is full and had a comma among its last
20 tokens, what follows that comma moves to the next chunk; BREAK begins a new one; the vectors of one added word stay
together. Letters: T places of the encoder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from sukashi.nets.tokenizer import Tokenizer
from sukashi.prompts.stress import Part

COMMA_REACH = 20  # tokens


class Place(NamedTuple):
    """A token with its weight and the text it was made from: ``source[start:end]``."""

    id: int
    weight: float
    source: str
    start: int
    end: int


Unit = tuple[Place, ...]  # tokens that stay together; none at all where a BREAK was


def units(tokenizer: Tokenizer, parts: Iterable[Part], room: int) -> list[Unit]:
    """The tokens of every part on its own, those of one added word together unless they are more than ``room``."""
    added = {i for ids in tokenizer.added.values() for i in ids}
    found: list[Unit] = []
    for part in parts:
        if part.breaks:
            found.append(())
            continue
        before = None
        for piece in tokenizer.pieces(part.text):
            place = Place(piece.id, part.weight, part.text, piece.start, piece.end)
            whole = piece[1:] == before and piece.id in added and found[-1][0].id in added
            if whole and len(found[-1]) < room:
                found[-1] = (*found[-1], place)
            else:
                found.append((place,))
            before = piece[1:]
    return found


def chunked(found: Sequence[Unit], room: int, comma: int) -> list[list[Place]]:
    """Chunks of at most ``room`` tokens, one at least."""
    chunks: list[list[Place]] = []
    chunk: list[Place] = []
    last_comma = -1
    for unit in found:
        if not unit:  # BREAK
            chunks.append(chunk)
            chunk, last_comma = [], -1
            continue
        if unit[0].id == comma:
            last_comma = len(chunk)
        elif len(chunk) == room and last_comma >= 0 and room - last_comma <= COMMA_REACH:
            chunks.append(chunk[: last_comma + 1])
            chunk, last_comma = chunk[last_comma + 1 :], -1
        if len(chunk) + len(unit) > room:
            chunks.append(chunk)
            chunk, last_comma = [], -1
        chunk.extend(unit)
    return [*chunks, chunk] if chunk or not chunks else chunks


def cut_short(found: Sequence[Unit], room: int) -> tuple[list[Place], list[Place]]:
    """The first ``room`` tokens, as diffusers would take, and those that fall off; BREAK means nothing here."""
    places = [place for unit in found for place in unit]
    return places[:room], places[room:]


def spelled(places: Iterable[Place]) -> str:
    """The text of tokens, as it was written where they follow one another."""
    runs = (list(run) for _, run in groupby(places, key=lambda place: place.source))
    return " ".join(run[0].source[run[0].start : run[-1].end] for run in runs)


def comma_of(tokenizer: Tokenizer) -> int:
    """The id of a comma that stands alone."""
    return tokenizer.encode(",")[-1]


def room_of(tokenizer: Tokenizer, positions: int) -> int:
    """How many tokens of a prompt an encoder of so many positions takes at once: 75 of 77."""
    return min(tokenizer.length, positions) - 2


def row(tokenizer: Tokenizer, chunk: Sequence[Place], room: int) -> tuple[list[int], list[float]]:
    """Ids and weights (T,) of one chunk with its start, end and padding."""
    fill = room - len(chunk)
    ids = [tokenizer.bos, *(place.id for place in chunk), tokenizer.eos, *[tokenizer.pad] * fill]
    return ids, [1.0, *(place.weight for place in chunk), 1.0, *[1.0] * fill]
