"""How well the map of a word finds what the word names, on pictures of kirie's world whose truth is known.

A drawn picture is noised part of the way and denoised again with its own caption (``tasks.image_to_image``) while the
cross-attention is watched: the things stay about where they were drawn, and the masks of the drawing are the truth.
Maps and masks are compared cell by cell of the latent: a cell shows a thing when a fifth of its pixels do.
Letters: H W of the latent, in cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from sukashi.pictures import to_tensor
from sukashi.pipeline import Pipeline
from sukashi.tasks.image import image_to_image
from sukashi.watch.attention import attention
from sukashi.watch.maps import Maps
from sukashi.watch.truth import SHOWN_BY, Drawn, drawn, row_of

FIFTH = 0.2
THRESHOLD = 0.4  # of a map's highest value


class Score(NamedTuple):
    """How a map meets a mask: is its highest cell inside, intersection over union, mass inside over the mask's area."""

    points: float
    overlap: float
    mass: float


class Found(NamedTuple):
    """One word in one picture: its own map, the mean over the maps of the other words, and chance."""

    own: Score
    others: Score | None  # where the caption has other words
    chance: Score


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One picture of the measurement, kept to be shown."""

    drawn: Drawn
    redrawn: Image.Image
    maps: Maps


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was found for every row of words, and how much the pictures changed (mean difference of 255)."""

    rows: dict[str, list[Found]]
    pictures: int
    change: float
    layers: dict[str, list[float]]  # layer -> mass of each word's own map there, over all words and pictures
    shown: dict[str, tuple[str, Seen]]  # row -> a word and its first picture


def cells(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """A mask (height, width) of pixels -> of cells (H, W)."""
    share = F.adaptive_avg_pool2d(mask.float()[None, None], size)[0, 0]
    return share >= FIFTH


def score(heat: Tensor, mask: Tensor) -> Score:
    """A map and a mask of cells, both (H, W). The mask must not be empty."""
    above = heat >= THRESHOLD * heat.max()
    overlap = float((above & mask).sum()) / float((above | mask).sum())
    points = float(mask.flatten()[heat.argmax()])
    return Score(points, overlap, float(heat[mask].mean() / heat.mean()))


def by_chance(heat: Tensor, mask: Tensor) -> Score:
    """The expected score of the same map with its cells shuffled.

    Its highest cell is inside with the probability m of the mask's area, a share of a is above the threshold, and
    a m of both; the overlap is the ratio of the expected areas.
    """
    m, a = float(mask.float().mean()), float((heat >= THRESHOLD * heat.max()).float().mean())
    return Score(m, a * m / (a + m - a * m), 1.0)


def mean_score(scores: Sequence[Score]) -> Score:
    """Column by column."""
    return Score(*(sum(column) / len(scores) for column in zip(*scores, strict=True)))


def judged(maps: Maps, word: str, mask: Tensor, layer: str | None = None) -> Found:
    """One word of a caption against its mask of cells (H, W)."""
    heat = maps.word(word, layer=layer)
    own = {place for _, places in maps.where(word) for place in places}
    rest = [k for k, other in enumerate(maps.words()) if not own & set(other.places)]
    others = [score(maps.word(k, layer=layer), mask) for k in rest]
    return Found(score(heat, mask), mean_score(others) if others else None, by_chance(heat, mask))


def measure(
    pipe: Pipeline,
    *,
    per_word: int = 20,
    strength: float = 0.6,
    layer: str | None = None,
    batch: int = 16,
    say: Callable[[str], None] = lambda line: None,
    **options: Any,
) -> Measured:
    """Measure every row of ``truth.SHOWN_BY`` in its first ``per_word`` pictures; ``options`` are those of a run.

    ``layer`` takes the maps of a part of the network, see ``Maps.word``.
    """
    seen = attention(pipe, keep="sum")
    wanted = chosen(per_word)
    rows: dict[str, list[Found]] = {row_of(word): [] for word in SHOWN_BY}
    layers: dict[str, list[float]] = {}
    shown: dict[str, tuple[str, Seen]] = {}
    change = 0.0
    for first in range(0, len(wanted), batch):
        those = wanted[first : first + batch]
        result = image_to_image(
            seen,
            [one.caption for one in those],
            image=[one.picture for one in those],
            strength=strength,
            **{"seed": first, **options},
        )
        for one, redrawn, maps in zip(those, result.images, seen.maps, strict=True):
            change += 255 * float((to_tensor(redrawn) - to_tensor(one.picture)).abs().mean()) / len(wanted)
            for word, pixels in one.masks.items():
                if not (mask := cells(pixels, maps.size)).any():
                    continue
                rows[row_of(word)].append(judged(maps, word, mask, layer))
                shown.setdefault(row_of(word), (word, Seen(drawn=one, redrawn=redrawn, maps=maps)))
                for name in maps.layers:
                    layers.setdefault(name, []).append(score(maps.word(word, layer=name), mask).mass)
        say(f"{first + len(those)} of {len(wanted)} pictures")
    found = {row: those for row, those in rows.items() if those}
    return Measured(rows=found, pictures=len(wanted), change=change, layers=layers, shown=shown)


def chosen(per_word: int, most: int = 4000) -> list[Drawn]:
    """Of the first ``most`` pictures those that bring a row of words that has fewer than ``per_word`` yet."""
    counts = dict.fromkeys(map(row_of, SHOWN_BY), 0)
    kept = []
    for one in islice(drawn(), most):
        masks = {word: mask for word, mask in one.masks.items() if counts[row_of(word)] < per_word}
        for word in masks:
            counts[row_of(word)] += 1
        if masks:
            kept.append(one._replace(masks=masks))
        if min(counts.values()) >= per_word:
            break
    return kept


def error(values: Sequence[float]) -> float:
    """The standard error of a mean; not a number of fewer than two values."""
    if len(values) < 2:
        return math.nan
    return torch.tensor(values, dtype=torch.float64).std().item() / math.sqrt(len(values))
