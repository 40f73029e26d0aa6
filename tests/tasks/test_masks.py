"""Masks: who repaints what, in pixels and in cells; nothing outside changes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from sukashi.tasks import masks
from sukashi.tasks.filling import spread


def grey(values: object) -> Image.Image:
    return Image.fromarray(np.asarray(values, np.uint8))


def values(picture: Image.Image) -> list[list[int]]:
    return np.asarray(picture).tolist()


def test_polarity() -> None:
    drawn = grey([[0, 100, 255]])
    assert values(masks.open_mask(drawn)[0]) == [[0, 100, 255]]
    assert values(masks.open_mask(drawn, "black")[0]) == [[255, 155, 0]]
    clear = Image.fromarray(np.array([[[255, 255, 255, 0], [0, 0, 0, 255], [9, 9, 9, 55]]], np.uint8), "RGBA")
    assert values(masks.open_mask(clear, "transparent")[0]) == [[255, 0, 200]]
    assert values(masks.open_mask(clear, "opaque")[0]) == [[0, 255, 55]]
    assert values(masks.open_mask(clear, "white")[0]) == [[0, 0, 0]]  # what cannot be seen marks nothing
    assert values(masks.open_mask(clear, "black")[0])[0][0] == 0
    with pytest.raises(ValueError, match="repaint is 'red'; accepted: white, black, transparent, opaque"):
        masks.open_mask(drawn, "red")
    with pytest.raises(ValueError, match="no transparent pixel"):
        masks.open_mask(drawn, "transparent")


def test_the_threshold_is_that_of_diffusers() -> None:
    assert values(masks.hard(grey([[0, 127, 128, 255]]))) == [[0, 0, 255, 255]]


def test_sizes_must_have_the_same_proportions() -> None:
    notes: list[str] = []
    assert masks.same_size(grey(np.zeros((4, 8))), (16, 8), notes).size == (16, 8) and "8 x 4" in notes[0]
    assert masks.same_size(grey(np.zeros((8, 16))), (16, 8), notes).size == (16, 8) and len(notes) == 1
    with pytest.raises(ValueError, match="the mask is 4 x 8 and the picture 8 x 4: they must have the same prop"):
        masks.same_size(grey(np.zeros((8, 4))), (8, 4), notes)


def test_from_pixels_to_cells() -> None:
    mask = torch.zeros(1, 1, 16, 16)
    mask[..., 3, 12] = 1  # inside the upper right cell, not at its corner
    mask[..., 8:, :8] = 1
    assert masks.cells_as_trained(mask, 8)[0, 0].tolist() == [[0, 0], [1, 0]]
    assert masks.cells_touched(mask, 8)[0, 0].tolist() == [[0, 1], [1, 0]]
    assert masks.cells_covered(mask, 8)[0, 0].tolist() == [[0, 1 / 64], [1, 0]]


def test_the_feather_lies_inside() -> None:
    mask = grey(np.pad(np.full((9, 9), 255), 5))
    weight = masks.weights(mask, 3)
    marked = np.asarray(mask) > 0
    assert (weight[~marked] == 0).all() and (weight[marked] > 0).all() and weight.max() == 1
    assert weight[9, 5:10].tolist() == [0.25, 0.5, 0.75, 1, 1]
    assert masks.weights(mask, 0)[marked].min() == 1
    thin = masks.weights(grey([[0] * 5, [0, 255, 255, 255, 0], [0] * 5]), 4)
    assert thin[1].tolist() == [0, 1, 1, 1, 0]  # thinner than the ramp: all of it is drawn anew
    assert masks.weights(grey([[0, 0]]), 4).tolist() == [[0, 0]]


def test_two_hundred_random_masks_leave_the_rest_as_it_was() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        height, width = random.integers(1, 40, 2)
        before, after = (Image.fromarray(random.integers(0, 256, (height, width, 3), np.uint8)) for _ in range(2))
        mask = grey(random.integers(0, 256, (height, width)) * random.integers(0, 2, (height, width)))
        weight = masks.weights(mask, int(random.integers(0, 6)))
        pasted = np.asarray(masks.paste(before, after, weight))
        outside = np.asarray(mask) == 0
        assert (pasted[outside] == np.asarray(before)[outside]).all()
        full = weight == 1
        assert (pasted[full] == np.asarray(after)[full]).all()


def test_only_masked_takes_the_mark_and_its_surroundings() -> None:
    mask = Image.new("L", (100, 60))
    mask.paste(255, (40, 20, 50, 30))
    assert masks.marked_box(mask, 0, (64, 64)) == (40, 20, 50, 30)
    assert masks.marked_box(mask, 5, (64, 64)) == (35, 15, 55, 35)
    assert masks.marked_box(mask, 5, (128, 64)) == (25, 15, 65, 35)
    assert masks.marked_box(mask, 5, (64, 128)) == (35, 5, 55, 45)
    edge = Image.new("L", (100, 60))
    edge.paste(255, (95, 0, 100, 10))
    assert masks.marked_box(edge, 0, (64, 64)) == (90, 0, 100, 10)
    assert masks.marked_box(edge, 200, (64, 64)) == (0, 0, 100, 60)
    with pytest.raises(ValueError, match="marks nothing"):
        masks.marked_box(Image.new("L", (9, 9)), 3, (64, 64))


def test_only_masked_agrees_with_diffusers_where_there_is_room() -> None:
    from diffusers.image_processor import VaeImageProcessor

    random = np.random.default_rng(1)
    for _ in range(50):
        left, top = random.integers(80, 120, 2)
        mask = Image.new("L", (300, 300))
        mask.paste(255, (int(left), int(top), int(left + random.integers(5, 60)), int(top + random.integers(5, 60))))
        theirs = VaeImageProcessor.get_crop_region(mask, 96, 64, pad=8)
        ours = masks.marked_box(mask, 8, (96, 64))
        assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= 1  # they round down


def test_the_fill_spreads_the_colours_around() -> None:
    picture = Image.new("RGB", (64, 64), (200, 50, 0))
    picture.paste((0, 0, 255), (24, 24, 40, 40))
    mask = Image.new("L", (64, 64))
    mask.paste(255, (20, 20, 44, 44))
    filled = np.asarray(spread(picture, mask)).astype(int)
    outside = np.asarray(mask) == 0
    assert (filled[outside] == (200, 50, 0)).all()
    assert abs(filled - (200, 50, 0)).max() <= 8  # nothing blue is left
