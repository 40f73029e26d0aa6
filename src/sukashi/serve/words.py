"""Where the words of a prompt are looked for while a picture is drawn: maps small enough to be sent at every step."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from sukashi.run import Run
from sukashi.watch.attention import Walk
from sukashi.watch.maps import SIDES, Maps

SIDE = 16  # cells of a map at most, across and down


def words_at(run: Run, i: int, asked: bool | Sequence[str]) -> dict[str, Any] | None:
    """The words of a watched run at its step i, from 1, as JSON values; None of a run that is not watched.

    ``size`` is [columns, rows] of every map; a word has its ``side``, its ``share`` (0..1) of the attention to that
    side, and ``map``: base64 of a byte for each cell, row by row, 255 where it is looked for most. Words that were
    ``asked`` for but are not in the prompt have null for these.
    """
    maps = run.walk.pipe.maps if isinstance(run.walk, Walk) else []
    if not asked or not maps:
        return None
    size = small(*maps[0].size)
    chosen = every(maps[0]) if asked is True else named(maps[0], asked or ())
    words = [seen(maps[0], i - 1, size, *word) for word in chosen]
    return {"size": [size[1], size[0]], "words": [word for word in words if word is not None]}


def small(height: int, width: int) -> tuple[int, int]:
    """Height and width brought to at most ``SIDE``, in their proportion."""
    scale = min(1.0, SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def every(maps: Maps) -> Iterator[tuple[str, str | None, str | int]]:
    """All words of both sides: text, side, and the number that ``Maps.word`` takes."""
    for side in SIDES:
        yield from ((word.text, side, n) for n, word in enumerate(maps.words(side)))


def named(maps: Maps, texts: Sequence[str]) -> Iterator[tuple[str, str | None, str | int]]:
    """Words or phrases on the first side that has them; None for its side where none has."""
    for text in texts:
        yield text, next((side for side in SIDES if has(maps, text, side)), None), text


def has(maps: Maps, text: str, side: str) -> bool:
    """Whether a side has a word."""
    try:
        return bool(maps.where(text, side))
    except ValueError:
        return False


def seen(maps: Maps, step: int, size: tuple[int, int], text: str, side: str | None, word: str | int) -> Any:
    """One word at a step, from 0; None where its side was not asked in this step."""
    if side is None:
        return {"word": text, "side": None, "share": None, "map": None}
    try:
        found = F.adaptive_avg_pool2d(maps.word(word, side, step)[None, None], size)[0, 0]
    except ValueError:
        return None
    return {"word": text, "side": side, "share": share(maps, step, side, word), "map": as_bytes(found)}


def share(maps: Maps, step: int, side: str, word: str | int) -> float:
    """The part of all attention to a side, in one step, that goes to a word."""
    own = whole = 0.0
    for sheet, places in maps.where(word, side):
        if step in sheet.steps:
            mass = sheet.steps[step].sum(dim=(1, 2))
            own, whole = own + float(mass[sheet.columns(places)].sum()), whole + float(mass.sum())
    return round(own / whole, 5) if whole else 0.0


def as_bytes(found: Tensor) -> str:
    """(h, w) -> base64 of h w bytes, the largest 255."""
    scaled = found * (255 / max(float(found.max()), 1e-12))
    return base64.b64encode(scaled.round().clamp(0, 255).byte().numpy().tobytes()).decode()
