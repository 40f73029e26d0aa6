"""Batches as a pure function of (seed, step): a run that was killed goes on with the very pictures it would have seen.

An epoch shows every picture as often as its ``repeats`` say, in an order of its own. A batch holds one bucket; the last
batch of a bucket is filled up from the bucket's beginning, so that all batches are equally large. Where there are
pictures of the class, a batch of B is B pictures of the concept and after them B of the class, cut to the same size
(as ``collate_fn`` of diffusers' ``train_dreambooth.py`` has it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from sukashi.train.data.buckets import Size, covering, nearest_bucket
from sukashi.train.data.examples import Example, Examples
from sukashi.train.data.zoom import GRAY, zoomed

CROPS = ("center", "random")
KEPT = 256  # pictures kept in memory, decoded and shrunk


class View(NamedTuple):
    """How a step shows an example: shrunk to ``shrunk``, then a ``size`` cut out at ``crop``, then mirrored or not."""

    example: int  # its number in Examples
    size: Size  # of the bucket: width, height
    shrunk: Size
    crop: tuple[int, int]  # left, top; below 0 where a picture smaller than ``size`` lies inside it
    flipped: bool


class Sizes(NamedTuple):
    """What SDXL is told (Podell et al. 2023, arXiv:2307.01952, sec. 2.2); each (B, 2), vertical first."""

    original: Tensor  # height, width of the file
    crop: Tensor  # top, left of what was cut out, in the shrunk picture
    target: Tensor  # height, width of the batch


class Batch(NamedTuple):
    """Pictures (B, 3, H, W) in [-1, 1] with all that belongs to them."""

    pixels: Tensor
    captions: list[str]
    prior: Tensor  # (B,) bool
    sizes: Sizes
    examples: list[int]  # the number of each in Examples
    views: list[View]


@dataclass(frozen=True, eq=False)
class Batches:
    """``batches(step)`` is the batch of that step (from 0 on); ``batches.views(step)`` plans it and reads no pixels.

    Raises ValueError for a batch below 1, an unknown crop, and a share of mirrored pictures outside 0..1.
    """

    examples: Examples
    seed: int
    batch_size: int
    buckets: tuple[Size, ...]
    crop: str = "center"
    flip: float = 0.0
    zoom: bool = False  # pictures of the concept are shown at sizes by chance (``data.zoom``)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ValueError(f"a batch of {self.batch_size} pictures; 1 and more are accepted")
        if self.crop not in CROPS:
            raise ValueError(f"unknown crop {self.crop!r}; known: {', '.join(CROPS)}")
        if not 0 <= self.flip <= 1:
            raise ValueError(f"a share of {self.flip} mirrored pictures; 0 to 1 is accepted")

    @cached_property
    def members(self) -> dict[Size, list[int]]:
        """The pictures of the concept in each bucket, as often as they are repeated."""
        found: dict[Size, list[int]] = {}
        for number, example in enumerate(self.examples):
            if not example.prior:
                bucket = nearest_bucket(self.examples.sizes[number], self.buckets)
                found.setdefault(bucket, []).extend([number] * example.repeats)
        return dict(sorted(found.items()))

    @property
    def per_epoch(self) -> int:
        """Steps until every picture was shown as often as its repeats say."""
        return sum(-(-len(members) // self.batch_size) for members in self.members.values())

    def views(self, step: int) -> list[View]:
        """What the batch of ``step`` shows."""
        epoch, place = divmod(step, self.per_epoch)
        bucket, numbers = _epoch(self, epoch)[place]
        prior = [number for number, example in enumerate(self.examples) if example.prior]
        if prior:
            first = step * self.batch_size
            numbers = numbers + [_prior(self, prior, first + k) for k in range(self.batch_size)]
        return [self._view(number, bucket, Random(f"view {self.seed} {step} {k}")) for k, number in enumerate(numbers)]

    def __call__(self, step: int) -> Batch:
        """The batch of ``step``."""
        return load(self.examples, self.views(step))

    def _view(self, number: int, bucket: Size, rng: Random) -> View:
        shrunk, crop = covering(self.examples.sizes[number], bucket), self.crop
        if self.zoom and not self.examples[number].prior:
            shrunk, crop = zoomed(shrunk, rng), "random"
        spare = (shrunk[0] - bucket[0], shrunk[1] - bucket[1])
        corner = (spare[0] // 2, spare[1] // 2)
        if crop == "random":
            corner = (_between(spare[0], rng.random()), _between(spare[1], rng.random()))
        return View(number, bucket, shrunk, corner, rng.random() < self.flip)


def _between(spare: int, chance: float) -> int:
    """A number from 0 to ``spare``, which may be below 0."""
    found = min(int(chance * (abs(spare) + 1)), abs(spare))
    return found if spare >= 0 else -found


@lru_cache(maxsize=2)
def _epoch(batches: Batches, epoch: int) -> list[tuple[Size, list[int]]]:
    """All batches of an epoch in their order."""
    rng, found = Random(f"epoch {batches.seed} {epoch}"), []
    for bucket, members in batches.members.items():
        order = shuffled(members, rng)
        for first in range(0, len(order), batches.batch_size):
            found.append((bucket, [order[k % len(order)] for k in range(first, first + batches.batch_size)]))
    return [found[k] for k in shuffled(range(len(found)), rng)]


def _prior(batches: Batches, prior: Sequence[int], place: int) -> int:
    """Which picture of the class stands at ``place``, counted from the beginning of the training."""
    turn, rest = divmod(place, len(prior))
    return shuffled(prior, Random(f"prior {batches.seed} {turn}"))[rest]


def shuffled(items: Sequence[int], rng: Random) -> list[int]:
    """Fisher-Yates from ``random()`` alone, whose values Python keeps from version to version."""
    order = list(items)
    for i in range(len(order) - 1, 0, -1):
        j = int(rng.random() * (i + 1))
        order[i], order[j] = order[j], order[i]
    return order


def load(examples: Examples, views: Sequence[View]) -> Batch:
    """Read, cut and stack what ``views`` say; all must have one size."""
    pictures = [picture_of(examples[view.example], view) for view in views]
    values = np.stack([np.asarray(picture) for picture in pictures])
    original = [examples.sizes[view.example][::-1] for view in views]
    return Batch(
        pixels=torch.from_numpy(values).permute(0, 3, 1, 2).float() / 127.5 - 1,  # (B, H, W, 3) -> (B, 3, H, W)
        captions=[examples[view.example].caption for view in views],
        prior=torch.tensor([examples[view.example].prior for view in views]),
        sizes=Sizes(
            torch.tensor(original),
            torch.tensor([view.crop[::-1] for view in views]).clamp(min=0),
            torch.tensor([view.size[::-1] for view in views]),
        ),
        examples=[view.example for view in views],
        views=list(views),
    )


def picture_of(example: Example, view: View) -> Image.Image:
    """The picture as ``view`` shows it."""
    (left, top), cut = view.crop, Image.new("RGB", view.size, GRAY)
    cut.paste(_shrunk(example, view.shrunk), (-left, -top))
    return ImageOps.mirror(cut) if view.flipped else cut


@lru_cache(maxsize=KEPT)
def _shrunk(example: Example, size: Size) -> Image.Image:
    """Lanczos, as in Kohya's trainer (diffusers' scripts use bilinear); untouched where it has that size already."""
    picture = example.open()
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)
