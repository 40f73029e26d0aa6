from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sukashi.kirie.canvas import PARTS
from sukashi.kirie.scene import Figure, Scene, Shape
from sukashi.kirie.world import sample
from sukashi.train.pictures import FIRST_SEED, HEADS, Pictures, interest


def test_heads_are_where_the_labels_say_and_a_cell_around(tmp_path: Path) -> None:
    pictures = Pictures(tmp_path, 6)
    cells = pictures.heads()
    assert cells.shape == (6, 16, 16) and cells.dtype == torch.bool
    for k, found in enumerate(cells.numpy()):
        parts = sample(FIRST_SEED + k, parts=True).parts
        assert parts is not None
        heads = np.isin(parts, HEADS).reshape(16, 8, 16, 8).mean((1, 3))  # share of each cell
        assert found[heads > 0.1].all()
        for y, x in zip(*np.nonzero(found), strict=True):
            assert (heads[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] > 0.1).any(), (k, y, x)
    glasses = PARTS.index("glasses")
    assert glasses in HEADS
    before = next(tmp_path.glob("heads-*.npy")).stat().st_mtime_ns
    assert torch.equal(pictures.heads(), cells)
    assert next(tmp_path.glob("heads-*.npy")).stat().st_mtime_ns == before  # kept, not drawn again


def test_rare_scenes_are_drawn_more_often(tmp_path: Path) -> None:
    """One figure in the middle counts 1; a scarf, a place aside, company and shapes more, nobody less."""
    middle = Figure(subject="cat", coat="black")
    shape = Shape(kind="circle", colour="red")
    worth = [
        interest(scene)
        for scene in (
            Scene(place="sea"),
            Scene(figures=(middle,)),
            Scene(figures=(replace(middle, scarf="red"),)),
            Scene(figures=(replace(middle, x=-20.0),)),
            Scene(shapes=(shape,)),
            Scene(figures=(middle, middle)),
        )
    ]
    assert worth == sorted(worth) and worth[0] < worth[1] == 1.0 < worth[2] < worth[3] < worth[4]
    shares = Pictures(tmp_path, 6).shares()
    assert shares.mean().item() == pytest.approx(1.0) and (shares > 0).all()
