"""The words of a recorded run for a view: how they are read, and where the U-Net looked for them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from sukashi.rich import picture_url
from sukashi.watch.encoding import heat, series
from sukashi.watch.maps import SIDES, Maps
from sukashi.watch.recording import Recording

MAP_SIDE = 96  # pixels; a map is smooth, the page enlarges it
DIGITS = 5


def tokens(recording: Recording, k: int = 0) -> dict[str, list[dict[str, Any]]]:
    """By side every token of every text encoder; ``word`` is its number among ``words_of``, or None.

    ``encoder`` counts text encoders from 0. Tokens past the cut have neither chunk nor position.
    """
    numbers = numbered(recording, k)
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in SIDES}
    for side in SIDES:
        for table, rows in zip(recording.tokens.get(side, ()), recording.rows.get(side, ()), strict=True):
            first = numbers.get((side, table.prompt)) if table.encoder == 0 else None
            found[side] += [token(row, table.encoder, first) for row in rows]
            found[side] += [
                token(
                    {"piece": lost.piece, "id": lost.id, "kind": "word", "weight": lost.weight, "norm": lost.norm},
                    table.encoder,
                )
                for lost in table.tokens
                if lost.chunk is None
            ]
    return found


def token(row: Mapping[str, Any], encoder: int, first: int | None = None) -> dict[str, Any]:
    """One token; ``first`` is the number of the first word of its text."""
    word = row.get("word")
    return {
        "piece": row["piece"],
        "id": row["id"],
        "position": row.get("position"),
        "chunk": row.get("chunk"),
        "weight": row["weight"],
        "norm": short(row["norm"]),
        "kind": row["kind"],
        "word": None if word is None or first is None else first + word,
        "nearest": [[piece.removesuffix("</w>"), short(cosine)] for piece, cosine in row.get("nearest", ())],
        "encoder": encoder,
    }


def numbered(recording: Recording, k: int) -> dict[tuple[str, str], int]:
    """(side, text) -> the number of the text's first word in ``words_of``."""
    found: dict[tuple[str, str], int] = {}
    count = 0
    for side in SIDES if len(recording.attention) > k else ():
        for sheet in recording.attention[k].sheets[side]:
            found[side, sheet.spelling.text] = count
            count += len(sheet.spelling.words)
    return found


def attention(recording: Recording, k: int, budget: float) -> dict[str, Any] | None:
    """The maps of picture k in about ``budget`` characters; None where they were not recorded."""
    if len(recording.attention) <= k:
        return None
    maps, start, count = recording.attention[k], recording.starts[-1] if recording.starts else 0, len(recording)
    total = sum(len(maps.words(side)) for side in SIDES)
    words = [word for side in SIDES for word in words_of(maps, side, start, count, budget / max(1, total))]
    critical = maps.critical_step
    ratio = dict(zip(maps.steps, maps.ratio(), strict=True))
    return {
        "words": words,
        "ratio": [short(ratio.get(i - start)) for i in range(count)],
        "critical": None if critical is None else critical + start,
        "note": " ".join(maps.notes),
    }


def words_of(maps: Maps, side: str, start: int, count: int, budget: float) -> Iterator[dict[str, Any]]:
    """Each word of a side; the run that was watched began at step ``start`` of ``count``."""
    for n, word in enumerate(maps.words(side)):
        every = [seen(maps, n, side, i - start) for i in range(count)]
        top = max((float(one.max()) for one in every if one is not None), default=0.0)

        def made(i: int, every: Sequence[Tensor | None] = every, top: float = top) -> Any:
            one = every[i]
            return None if one is None else heat(one, top)

        whole = maps.word(n, side)
        share = dict(zip(maps.steps, maps.share(n, side), strict=True))
        layers = {name: maps.word(n, side, layer=key) for name, key in layer_names(maps).items()}
        yield {
            "word": word.text,
            "side": side,
            "tokens": list(word.places),
            "map": picture_url(heat(whole, float(whole.max())), MAP_SIDE),
            "steps": series(count, made, 0.75 * budget, MAP_SIDE),
            "layers": {name: picture_url(heat(one, float(one.max())), MAP_SIDE) for name, one in layers.items()},
            "share": [short(share.get(i - start)) for i in range(count)],
        }


def seen(maps: Maps, n: int, side: str, step: int) -> Tensor | None:
    """The map of a word in one step; None where the side was not asked, or nothing is kept of the step."""
    if step not in maps.steps:
        return None
    try:
        return maps.word(n, side, step=step)
    except ValueError:
        return None


def layer_names(maps: Maps) -> dict[str, str]:
    """What the page calls layers -> what ``Maps.word`` does: every resolution, then every block with attention."""
    sizes = sorted({size for size in maps.layers.values()}, reverse=True)
    found = {f"{h}×{w}": f"{h}x{w}" for h, w in sizes}
    for name, (h, w) in maps.layers.items():
        block = name.partition(".transformer_blocks")[0]
        found.setdefault(f"{block} ({h}×{w})", f"{block}.")
    return found


def short(number: float | None) -> float | None:
    """A number as JSON has it, with five digits that matter; None for what is not finite."""
    if number is None or not math.isfinite(number):
        return None
    return float(f"{number:.{DIGITS}g}")
