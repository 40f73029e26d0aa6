"""Tiles: a local network gives the same result tile by tile, whatever the sizes."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from torch.nn import functional as F

from sukashi.tiles import hill, starts, tiled


@pytest.mark.parametrize("size", [(8, 8), (20, 33), (7, 50), (64, 9)])
@pytest.mark.parametrize(("tile", "overlap"), [(8, 0), (8, 3), (16, 8), (100, 10)])
def test_pixelwise_networks_are_equal_in_tiles(size: tuple[int, int], tile: int, overlap: int) -> None:
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(tiled(lambda t: t**2, x, tile, overlap), x**2)
    grow = lambda t: F.interpolate(t[:, :1], scale_factor=4.0)  # noqa: E731
    torch.testing.assert_close(tiled(grow, x, tile, overlap, 4), grow(x))


def test_shrinking_tiles() -> None:
    x = torch.randn(1, 3, 48, 80)
    shrink = lambda t: F.avg_pool2d(t, 8)  # noqa: E731
    torch.testing.assert_close(tiled(shrink, x, 32, 8, Fraction(1, 8)), shrink(x))
    with pytest.raises(ValueError, match="must be whole after scaling"):
        tiled(shrink, x, 32, 4, Fraction(1, 8))


def test_no_more_than_a_tile_is_seen_at_once() -> None:
    seen = []
    tiled(lambda t: seen.append(t.shape[2:]) or t, torch.zeros(1, 1, 30, 40), 16, 4)
    assert max(max(shape) for shape in seen) == 16 and len(seen) == 3 * 3


def test_the_plan_of_tiles() -> None:
    assert starts(8, 8, 2) == [0] and starts(20, 8, 2) == [0, 6, 12] and starts(21, 8, 2) == [0, 6, 12, 13]
    assert hill(6, 2).tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1, 2 / 3, 1 / 3]) and hill(3, 0).tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match=r"cannot overlap by 8; 0\.\.7"):
        tiled(lambda t: t, torch.zeros(1, 1, 9, 9), 8, 8)
