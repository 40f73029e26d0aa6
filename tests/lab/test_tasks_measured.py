"""What tasks do to kirie's pictures, in small."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import sukashi
from sukashi.kirie.canvas import PARTS
from sukashi.lab.probe import load_probe
from sukashi.lab.tasks import detail, measure, source, table


def test_sources_are_girls_whose_food_is_left_alone() -> None:
    for seed in range(12):
        one, again = source(seed), source(seed)
        assert one.caption == again.caption and one.picture.tobytes() == again.picture.tobytes()
        mask = np.asarray(one.mask) > 0
        assert 0.1 < mask.mean() < 0.3 and one.food in one.caption and len(PARTS) == 15


def test_detail_is_lost_by_blurring() -> None:
    image = torch.rand(1, 3, 16, 16)
    assert detail(torch.nn.functional.avg_pool2d(image, 3, 1, 1)) < detail(image) / 2
    assert detail(torch.full((1, 3, 8, 8), 0.5)) == 0


@pytest.mark.slow
def test_kirie_puts_a_red_hat_on_and_leaves_the_rest() -> None:
    found = measure(sukashi.load("kirie", device="cpu"), load_probe(), 8, 20)
    hats, kept = found["inpaint"], found["image-to-image"]
    assert hats["red hat"] >= 0.75 > hats["hat, repainted without asking for one"] and hats["hat before"] == 0
    assert hats["largest change outside the mask"] == 0 and hats["food as before"] >= 0.75
    assert kept["0.3"]["change"] < kept["0.6"]["change"] < kept["0.9"]["change"]
    assert kept["0.3"]["answers as before"] > kept["0.9"]["answers as before"]
    assert found["two-pass"]["second pass"] > found["two-pass"]["enlarged"]
    assert "red hat" in table(found)
