"""What does not fit into memory is computed in portions, and that is said; what fits is not touched."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from oracle import ours, photo

from sukashi import memory, tasks
from sukashi.nets.vae import VAE


@pytest.fixture
def vae() -> VAE:
    return ours("sd1").vae


@pytest.fixture
def cells(vae: VAE) -> Iterator[list[tuple[int, ...]]]:
    """The shapes the decoder sees."""
    seen: list[tuple[int, ...]] = []
    hook = vae.decoder.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape)))
    yield seen
    hook.remove()


def test_with_memory_enough_all_is_decoded_at_once(vae: VAE, cells: list[tuple[int, ...]]) -> None:
    z, notes = torch.randn(2, 4, 6, 5), []
    assert torch.equal(memory.decode(vae, z, notes, 2**40), vae.decode(z))
    assert cells == [(2, 4, 6, 5)] * 2 and notes == []
    assert memory.free(torch.device("cpu")) is None or memory.free(torch.device("cpu")) > 2**20


def test_first_one_by_one_then_in_tiles(vae: VAE, cells: list[tuple[int, ...]]) -> None:
    z, notes = torch.randn(2, 4, 70, 8, generator=torch.Generator().manual_seed(0)), []
    one = memory.needed(vae.config, 70 * 8 * 64, 4)
    single = memory.decode(vae, z, notes, int(one / memory.SPARE) + 1)
    assert cells == [(1, 4, 70, 8)] * 2 and "2 pictures one by one" in notes[0]
    torch.testing.assert_close(single, vae.decode(z), atol=1e-4, rtol=1e-4)
    cells.clear()
    tiled = memory.decode(vae, z, notes, one // 2)
    assert {shape[2:] for shape in cells} == {(64, 8)} and len(cells) == 4
    assert "the autoencoder worked in tiles: the whole needs" in notes[1]
    assert tiled.shape == single.shape
    middle = slice(0, 8 * 6)  # far from the seam the tile saw what the whole saw, but for its group norms
    assert (tiled - single)[:, :, middle].abs().mean() < 0.1 * single.std()


def test_images_are_encoded_in_tiles_too(vae: VAE) -> None:
    images, notes = torch.rand(1, 3, 560, 64) * 2 - 1, []
    whole = torch.cat(vae.posterior(images), dim=1)
    tiled = memory.moments(vae, images, notes, 1)
    assert tiled.shape == whole.shape and "in tiles" in notes[0]


def test_a_result_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free", lambda device: 1000)
    result = tasks.image_to_image(ours("sd1"), image=[photo(16, 16), photo(16, 16, 1)], seed=1)
    assert any("the autoencoder took 2 pictures one by one" in note for note in result.notes)
