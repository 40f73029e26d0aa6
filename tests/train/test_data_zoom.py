"""Pictures shown smaller and larger, against the arithmetic of diffusers' script for Custom Diffusion."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from sukashi.train.data.batches import load
from sukashi.train.data.examples import Example, Examples
from sukashi.train.data.zoom import along, inside, share_of, told
from sukashi.train.methods.config import Config
from sukashi.train.methods.objective import Objective, loss

SIDE, CELL = 96, 8
GRADIENT = Image.fromarray(np.arange(60 * 60 * 3, dtype=np.uint32).reshape(60, 60, 3).astype(np.uint8))
BATCHES = Examples(
    [Example(None, "a <new>", picture=GRADIENT), Example(None, "cat", prior=True, picture=GRADIENT)]
).batches(3, 1, SIDE, zoom=True)
VIEWS = [BATCHES.views(step) for step in range(300)]


def their_picture(scale: int, left: int, top: int) -> tuple[np.ndarray, np.ndarray]:
    """``CustomDiffusionDataset.preprocess`` in its own words, with the corner given."""
    picture = GRADIENT.resize((scale, scale), Image.Resampling.LANCZOS)
    values = (np.array(picture).astype(np.uint8) / 127.5 - 1.0).astype(np.float32)
    shown, mask = np.zeros((SIDE, SIDE, 3), dtype=np.float32), np.zeros((SIDE // CELL, SIDE // CELL))
    if scale > SIDE:
        return values[top : top + SIDE, left : left + SIDE, :], np.ones_like(mask)
    shown[top : top + scale, left : left + scale, :] = values
    mask[top // CELL + 1 : (top + scale) // CELL - 1, left // CELL + 1 : (left + scale) // CELL - 1] = 1.0
    return shown, mask


def test_sizes_are_those_of_the_script_and_the_class_stays_as_it_is() -> None:
    shares = [share_of(own.shrunk, own.size) for own, _ in VIEWS]
    small, large = [s for s in shares if s <= 1], [s for s in shares if s > 1]
    assert 0.32 < min(small) < 0.36 and max(small) > 0.96 and 1.19 < min(large) < 1.22 and 1.38 < max(large) < 1.41
    assert abs(len(small) / len(shares) - 0.66) < 0.08
    assert {(kept.shrunk, kept.crop) for _, kept in VIEWS} == {((SIDE, SIDE), (0, 0))}


@pytest.mark.parametrize("larger", [False, True])
def test_a_picture_and_its_mask(larger: bool) -> None:
    found = [own for own, _ in VIEWS if (own.shrunk[0] > SIDE) == larger]
    assert len({view.crop for view in found}) > 20  # anywhere
    for view in found[:8]:
        theirs, mask = their_picture(view.shrunk[0], *(c if larger else -c for c in view.crop))
        ours = load(BATCHES.examples, [view]).pixels[0].permute(1, 2, 0)
        assert (ours - torch.from_numpy(theirs)).abs().max() < 0.005  # gray is 128, not 127.5
        where = inside(view.size, view.shrunk, view.crop, flipped=False, cell=CELL)
        assert torch.equal(where, torch.from_numpy(mask).float())
        assert torch.equal(inside(view.size, view.shrunk, view.crop, flipped=True, cell=CELL), where.flip(1))


def test_some_cell_always_counts() -> None:
    for shrunk in range(5, 40):
        for left in range(33 - min(shrunk, 32)):
            mask = along(32, shrunk, -left, 8)
            assert mask.shape == (4,) and 1 <= mask.sum() <= 4


def test_the_caption_says_it() -> None:
    assert [told("a <new>", share, 0.0) for share in (0.4, 0.7, 1.0, 1.3)] == [
        "a far away <new>", "a <new>", "a <new>", "zoomed in <new>",
    ]  # fmt: skip
    assert told("<new>", 0.5, 0.9) == "very small <new>" and told("<new>", 1.2, 0.9) == "close up <new>"


def test_only_cells_inside_count() -> None:
    """As the script has it, but for its sum over the four channels."""
    x0, g = torch.randn(4, 4, 6, 6, generator=torch.Generator().manual_seed(1)), torch.Generator().manual_seed(2)
    mask, prior = torch.ones(4, 1, 6, 6), torch.tensor([False, False, True, True])
    mask[0, :, :3], mask[1, :, :, 2:] = 0, 0
    goal = Objective(torch.full((1000,), 0.25), "epsilon", prior_weight=0.3)
    seen = {}

    def predict(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        seen["x"] = x
        return torch.zeros_like(x)

    value = loss(predict, x0, prior, goal, g, mask)
    noise = (seen["x"] - 0.5 * x0) / 0.75**0.5
    own, rest = noise.square()[:2], noise.square()[2:]
    theirs = ((own * mask[:2]).sum([1, 2, 3]) / mask[:2].sum([1, 2, 3])).mean() / 4 + 0.3 * rest.mean()
    assert value.item() == pytest.approx(theirs.item(), abs=1e-5)


def test_it_is_the_habit_of_custom_diffusion() -> None:
    assert Config().filled("custom").zoom and not Config().filled("lora").zoom
    assert Config(zoom=False).filled("custom").zoom is False
