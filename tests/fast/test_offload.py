"""Networks in main memory that run elsewhere: a place of limited size holds no more than fits, and nothing afterwards.

There is no second device here: the place is this memory too, but every tensor that goes there is a copy that is
counted as long as it lives.
"""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor

import sukashi
from sukashi.fast.offload import SHARE, Offload, size
from sukashi.fast.portions import Portions
from sukashi.fast.remembered import Remembered
from sukashi.pipeline import Pipeline
from sukashi.run import Result
from sukashi.text import encode_text


class Place:
    """Somewhere with room for ``room`` bytes of weights."""

    def __init__(self, room: int) -> None:
        self.room, self.live, self.most, self.moves, self.came = room, 0, 0, 0, 0

    def move(self, x: Tensor) -> Tensor:
        there = x.clone()
        if x.is_floating_point():
            count = there.nbytes
            self.live += count
            self.most, self.moves, self.came = max(self.most, self.live), self.moves + 1, self.came + count
            weakref.finalize(there.untyped_storage(), self.gone, count)
        return there

    def gone(self, count: int) -> None:
        self.live -= count

    def free(self, device: torch.device) -> int:
        return self.room - self.live


@pytest.fixture(scope="module")
def plain() -> Pipeline:
    return sukashi.load("kirie", device="cpu", fast=False)


@pytest.fixture(scope="module")
def expected(plain: Pipeline) -> Result:
    return plain("a red hat", seed=1, steps=2)


def offloaded(plain: Pipeline, room: int) -> tuple[Any, Place, Offload]:
    pipe, place = copy.copy(plain), Place(room)
    there = Offload(lambda net: net, torch.device("cpu"), place.free, place.move)
    pipe.quick, pipe.encode_text = Portions(there), Remembered(there.encoding(encode_text))
    return pipe, place, there


def weights(plain: Pipeline) -> dict[str, int]:
    return {"text": size(plain.parts.text_encoders[0]), "unet": size(plain.unet), "vae": size(plain.vae)}


def test_all_stay_where_there_is_room(plain: Pipeline, expected: Result) -> None:
    pipe, place, there = offloaded(plain, 1 << 34)
    for _ in range(2):
        found = pipe("a red hat", seed=1, steps=2)
        assert torch.equal(found.latents, expected.latents)
        assert found.images[0].tobytes() == expected.images[0].tobytes()
    total = sum(weights(plain).values())
    assert total <= place.came < 1.5 * total  # each came once
    assert len(there.there) == 3 and found.notes == expected.notes


def test_one_at_a_time_where_room_is_short(plain: Pipeline, expected: Result) -> None:
    largest = max(weights(plain).values())
    room = int(1.1 * largest / SHARE)
    pipe, place, there = offloaded(plain, room)
    before = {name: weight.data_ptr() for name, weight in plain.unet.named_parameters()}
    found = pipe("a red hat", seed=1, steps=2)
    assert torch.equal(found.latents, expected.latents)
    assert place.most <= room and there.notes == []
    assert {name: weight.data_ptr() for name, weight in plain.unet.named_parameters()} == before
    del found
    there.there.clear()
    gc.collect()
    assert place.live < 1 << 20  # nothing but what was asked


def test_layer_by_layer_where_not_even_one_fits(plain: Pipeline, expected: Result) -> None:
    sizes = weights(plain)
    room = int(0.5 * sizes["unet"])
    pipe, place, _ = offloaded(plain, room)
    found = pipe("a red hat", seed=1, steps=2)
    assert torch.equal(found.latents, expected.latents)
    assert place.most < room and place.came > 2 * sizes["unet"]  # it came at every step
    assert any("does not fit on cpu: it comes there layer by layer" in note for note in found.notes)


def test_a_network_that_is_gone_is_forgotten(plain: Pipeline) -> None:
    _, place, there = offloaded(plain, 1 << 34)
    net = copy.deepcopy(plain.vae)
    there(net).decode(torch.zeros(1, 4, 4, 4))
    assert len(there.there) == 1 and there(net).config is net.config
    del net
    gc.collect()
    assert not there.there and place.live < 1 << 20
