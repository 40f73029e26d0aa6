"""Buckets, crops, and batches that depend on (seed, step) alone."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sukashi.train.data.buckets import bucket_sizes, covering, nearest_bucket
from sukashi.train.data.examples import Example, Examples

GRADIENT = Image.fromarray(np.arange(60 * 40 * 3, dtype=np.uint32).reshape(40, 60, 3).astype(np.uint8))


def many(sizes: list[tuple[int, int]], repeats: int = 1, prior: int = 0) -> Examples:
    own = [Example(None, f"own {k}", repeats=repeats, picture=Image.new("RGB", s)) for k, s in enumerate(sizes)]
    rest = [Example(None, f"class {k}", prior=True, picture=Image.new("RGB", (50, 50))) for k in range(prior)]
    return Examples([*own, *rest])


def kohyas_buckets(side: int, least: int, most: int, step: int) -> set[tuple[int, int]]:
    """sd-scripts, library/model_util.py, make_bucket_resolutions, in its own words."""
    area, found = side * side, set()
    width = int(math.sqrt(area) // step) * step
    found.add((width, width))
    width = least
    while width <= most:
        height = min(most, int((area // width) // step) * step)
        if height >= least:
            found.add((width, height))
            found.add((height, width))
        width += step
    return found


@pytest.mark.parametrize(("side", "step"), [(512, 64), (768, 64), (1024, 64), (128, 32), (100, 32)])
def test_buckets_are_kohyas(side: int, step: int) -> None:
    least, most = max(step, side // 2), 2 * side
    assert set(bucket_sizes(side, step=step)) == kohyas_buckets(side, least, most, step)
    assert set(bucket_sizes(side, step=step, least=step, most=3 * side)) == kohyas_buckets(side, step, 3 * side, step)


def test_buckets_refuse_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match="step 64 from"):
        bucket_sizes(32)


def test_the_nearest_bucket_is_the_one_with_the_nearest_ratio() -> None:
    buckets = bucket_sizes(512)
    assert nearest_bucket((1000, 1000), buckets) == (512, 512)
    assert nearest_bucket((1920, 1080), buckets) == min(buckets, key=lambda b: abs(b[0] / b[1] - 16 / 9))
    assert nearest_bucket((320, 704), buckets) == (320, 704)  # its own size


@pytest.mark.parametrize("picture", [(100, 100), (333, 77), (77, 333), (1, 5), (640, 479)])
def test_a_shrunk_picture_covers_its_bucket_and_no_more(picture: tuple[int, int]) -> None:
    bucket = (64, 48)
    wide, high = covering(picture, bucket)
    assert wide >= 64 and high >= 48 and (wide == 64 or high == 48)
    scale = max(64 / picture[0], 48 / picture[1])
    assert abs(wide - picture[0] * scale) <= 0.5 and abs(high - picture[1] * scale) <= 0.5


def test_the_same_seed_and_step_give_the_same_batch_in_any_order() -> None:
    sizes = [(60, 40), (40, 60), (50, 50), (90, 30), (33, 44)]
    options = {"batch_size": 2, "size": 32, "buckets": bucket_sizes(32, step=8), "crop": "random", "flip": 0.5}
    one, two = (many(sizes, 3, prior=4).batches(seed=7, **options) for _ in range(2))  # type: ignore[arg-type]
    forward = [one(step) for step in range(20)]
    for step in (19, 3, 11, 0):
        again = two(step)
        assert again.views == forward[step].views and torch.equal(again.pixels, forward[step].pixels)
    other = many(sizes, 3, prior=4).batches(seed=8, **options)  # type: ignore[arg-type]
    assert [other.views(step) for step in range(20)] != [b.views for b in forward]


def test_an_epoch_shows_every_picture_as_often_as_its_repeats() -> None:
    examples = many([(50, 50)] * 4, repeats=3)
    batches = examples.batches(0, 4, 16)
    assert batches.per_epoch == 3
    for epoch in (0, 1):
        seen = Counter(view.example for step in range(3) for view in batches.views(3 * epoch + step))
        assert seen == Counter({k: 3 for k in range(4)})
    assert [batches.views(k) for k in range(3)] != [batches.views(k) for k in range(3, 6)]


def test_the_last_batch_of_a_bucket_is_filled_up_and_holds_one_size() -> None:
    batches = many([(60, 30)] * 3 + [(30, 60)]).batches(0, 2, 32, bucket_sizes(32, step=8))
    assert batches.per_epoch == 3
    shown = [batches(step) for step in range(3)]
    assert all(len(batch.captions) == 2 for batch in shown)
    assert {view.example for batch in shown for view in batch.views} == {0, 1, 2, 3}
    for batch in shown:
        assert {view.size for view in batch.views} == {(batch.pixels.shape[3], batch.pixels.shape[2])}


def test_pictures_of_the_class_follow_those_of_the_concept_and_take_turns() -> None:
    batches = many([(60, 30)] * 2, prior=6).batches(0, 2, 16)
    seen: Counter[int] = Counter()
    for step in range(3):
        batch = batches(step)
        assert batch.prior.tolist() == [False, False, True, True]
        assert [caption.split()[0] for caption in batch.captions] == ["own", "own", "class", "class"]
        seen.update(batch.examples[2:])
    assert seen == Counter({k: 1 for k in range(2, 8)})


def test_centre_crops_flips_and_values() -> None:
    examples = Examples([Example(None, "x", picture=GRADIENT)])
    (plain,) = examples.batches(0, 1, 40)(0).pixels
    wanted = torch.tensor(np.asarray(GRADIENT)[:, 10:50]).permute(2, 0, 1).float() / 127.5 - 1
    assert torch.equal(plain, wanted)
    (mirrored,) = examples.batches(0, 1, 40, flip=1.0)(0).pixels
    assert torch.equal(mirrored, wanted.flip(2))


def test_random_crops_lie_anywhere_and_are_what_they_say() -> None:
    batches = Examples([Example(None, "x", picture=GRADIENT)]).batches(0, 1, 40, crop="random")
    lefts = set()
    for step in range(60):
        batch = batches(step)
        left, top = batch.views[0].crop
        lefts.add(left)
        cut = torch.tensor(np.asarray(GRADIENT)[top : top + 40, left : left + 40])
        assert torch.equal(batch.pixels[0], cut.permute(2, 0, 1).float() / 127.5 - 1)
        assert batch.sizes.crop.tolist() == [[top, left]]
        assert batch.sizes.original.tolist() == [[40, 60]] and batch.sizes.target.tolist() == [[40, 40]]
    assert min(lefts) == 0 and max(lefts) == 20 and len(lefts) > 12


def test_files_are_read_as_pictures_in_memory_are(tmp_path: Path) -> None:
    GRADIENT.save(tmp_path / "a.png")
    one = Examples([Example(tmp_path / "a.png", "x")]).batches(0, 1, 32)(0)
    two = Examples([Example(None, "x", picture=GRADIENT)]).batches(0, 1, 32)(0)
    assert torch.equal(one.pixels, two.pixels)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"batch_size": 0}, "a batch of 0"), ({"crop": "left"}, "unknown crop 'left'"), ({"flip": 1.5}, "1.5 mirrored")],
)
def test_refusals(options: dict[str, object], words: str) -> None:
    asked = {"seed": 0, "batch_size": 1, "size": 16} | options
    with pytest.raises(ValueError, match=words):
        many([(20, 20)]).batches(**asked)  # type: ignore[arg-type]
