"""How maps are judged against masks, and where the masks come from."""

from __future__ import annotations

import json
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

import sukashi
from sukashi.watch import accuracy
from sukashi.watch.accuracy import Found, Score, by_chance, cells, error, mean_score, measure, score
from sukashi.watch.accuracy_report import by_layer, facts, sheet, table
from sukashi.watch.overlay import outlined, overlay, stretched
from sukashi.watch.truth import SHOWN_BY, Drawn, drawn


def test_scores_of_maps_that_are_known() -> None:
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[1:3, 1:3] = True
    assert score(mask.float(), mask) == Score(1.0, 1.0, 4.0)
    assert score((~mask).float(), mask) == Score(0.0, 0.0, 0.0)
    half = torch.zeros(4, 4)
    half[1, 1:] = torch.tensor([1.0, 0.41, 0.39])  # two above 0.4 of the highest, both inside
    assert score(half, mask).overlap == 0.5 and score(half, mask).points == 1.0


def test_chance_is_the_mean_over_shuffles() -> None:
    g = torch.Generator().manual_seed(0)
    heat, mask = torch.rand(16, 16, generator=g), torch.rand(16, 16, generator=g) < 0.3
    shuffled = [score(heat.flatten()[torch.randperm(256, generator=g)].view(16, 16), mask) for _ in range(2000)]
    assert by_chance(heat, mask) == pytest.approx(mean_score(shuffled), abs=0.02)


def test_cells_show_what_a_fifth_of_their_pixels_do() -> None:
    mask = torch.zeros(16, 16, dtype=torch.bool)
    mask[0, :4] = mask[8, 8:] = True
    mask[9, 8:] = True
    assert cells(mask, (2, 2)).tolist() == [[False, False], [False, True]]
    assert error([1.0, 3.0]) == pytest.approx(1.0) and error([1.0]) != error([1.0])


def test_masks_are_of_what_the_caption_says() -> None:
    seen = list(islice(drawn(), 60))
    assert [one.caption for one in seen] == [one.caption for one in islice(drawn(), 60)]
    words = {word for one in seen for word in one.masks}
    assert {"glasses", "girl", "pizza"} <= words <= set(SHOWN_BY)
    for one in seen:
        assert all(f" {word}" in f" {one.caption}" and mask.any() for word, mask in one.masks.items())
    food = next(one for one in seen if "pizza" in one.masks)
    colours = np.asarray(food.picture)[food.masks["pizza"].numpy()].mean(axis=0)
    assert colours[0] > colours[2] + 60, "a slice of pizza is yellow and brown"


def test_stretched_maps_and_overlays() -> None:
    heat = torch.zeros(4, 4)
    heat[0, 0] = 2.0
    large = stretched(heat, 32, 32)
    assert large.shape == (32, 32) and float(large.max()) == pytest.approx(1) and float(large.min()) == 0
    picture = Image.new("RGB", (32, 32), (200, 200, 200))
    shown = np.asarray(overlay(picture, heat)).sum(axis=2)
    assert shown[2, 2] > shown[30, 30] + 200
    assert np.asarray(overlay(picture, torch.zeros(4, 4))).std(axis=(0, 1)).max() == 0
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[8:16, 8:16] = True
    edge = (np.asarray(outlined(picture, mask)) == 255).all(axis=2)
    assert edge.sum() == 28 and not edge[10:14, 10:14].any()


def test_maps_of_the_shipped_model_lie_on_what_they_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def first(per_word: int) -> list[Drawn]:
        fitting = (one for one in drawn() if {"pizza", "donut", "apple"} & set(one.masks))
        return list(islice(fitting, per_word))

    monkeypatch.setattr(accuracy, "chosen", first)
    found = measure(sukashi.load("kirie", device="cpu"), per_word=4, steps=10)
    assert found.pictures == 4 and found.change < 20
    foods = [one for word in ("pizza", "donut", "apple") for one in found.rows.get(word, ())]
    assert len(foods) == 4 and all(isinstance(one, Found) and one.others for one in foods)
    assert mean_score([one.own for one in foods]).mass > 1.5
    assert mean_score([one.own for one in foods]).points >= 0.75
    assert mean_score([one.others for one in foods if one.others]).mass < 1.3
    text = table(found)
    assert text.count("\n| ") == len(found.rows) + 1 and "up_blocks.1" in by_layer(found)
    assert json.loads(json.dumps(facts(found)))["pictures"] == 4
    shown = sheet(found, words=("pizza", "donut", "apple"))
    assert shown.width == 4 * (2 * 128 + 6)
