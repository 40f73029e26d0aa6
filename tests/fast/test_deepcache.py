"""DeepCache: whole when it says so, fewer layers between, and close to the exact picture."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from torch.utils.hooks import RemovableHandle

import sukashi
from sukashi.fast.deepcache import deep_cached
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.settings import Settings
from sukashi.tasks.replaying import replay

SMALL = UNetConfig(
    channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=24, groups=8, resnets=2
)


def test_an_interval_of_one_is_the_network_to_the_bit() -> None:
    torch.manual_seed(0)
    net = UNet(SMALL).eval().requires_grad_(False)
    for branch in (0, 1, 2):
        cached, context = deep_cached(net, 1, branch), torch.randn(2, 7, 24)
        for t in (900.0, 500.0):
            x = torch.randn(2, 4, 9, 8)
            with torch.no_grad():
                assert torch.equal(cached(x, torch.full((2,), t), context), net(x, torch.full((2,), t), context))


@pytest.mark.parametrize("branch", [0, 1, 2])
def test_the_same_question_again_has_the_same_answer_from_fewer_layers(branch: int) -> None:
    torch.manual_seed(0)
    net = UNet(SMALL).eval().requires_grad_(False)
    calls: list[int] = []
    net.mid_block.resnets[0].register_forward_hook(lambda *_: calls.append(1))
    cached, context = deep_cached(net, 3, branch), torch.randn(1, 7, 24)
    x, t = torch.randn(1, 4, 8, 8), torch.tensor([500.0])
    with torch.no_grad():
        expected = net(x, t, context)
        for _ in range(4):
            torch.testing.assert_close(cached(x, t, context), expected, atol=1e-6, rtol=0)
        assert sum(calls) == 1 + 2  # the network itself, then calls 1 and 4
        cached(x, t, context.clone())  # another prompt begins anew
    assert sum(calls) == 4


@pytest.fixture(scope="module")
def pipe() -> sukashi.Pipeline:
    return sukashi.load("kirie", device="cpu")


def whole_calls(net: UNet) -> tuple[list[int], RemovableHandle]:
    """A list that grows with every call of the deepest layer of ``net``."""
    calls: list[int] = []
    return calls, net.mid_block.resnets[0].register_forward_hook(lambda *_: calls.append(1))


def test_a_picture_of_kirie_is_close_and_its_record_draws_it_again(pipe: sukashi.Pipeline) -> None:
    asked: dict[str, Any] = {"prompt": "a red circle", "seed": 1, "steps": 5, "width": 64, "height": 64}
    exact, result = pipe(**asked).latents, pipe(**asked, deepcache=[2, 1])
    difference = (result.latents - exact).square().mean() / exact.square().mean()
    assert 0 < difference < 0.2
    assert result.record()["settings"]["deepcache"] == [2, 1]
    assert any("whole U-Net every 2 calls" in note for note in result.notes)
    assert torch.equal(replay(json.loads(json.dumps(result.record())), pipe).latents, result.latents)
    assert torch.equal(pipe(**asked, deepcache=1).latents, exact)


@pytest.mark.parametrize(("guide", "whole"), [("", 3), ("apg", 3), ("pag", 6)])
def test_other_guidance_is_cached_too(pipe: sukashi.Pipeline, guide: str, whole: int) -> None:
    calls, handle = whole_calls(pipe.unet)
    pipe("a red circle", seed=1, steps=5, width=64, height=64, deepcache=2, guide=guide)
    handle.remove()
    assert sum(calls) == whole  # calls 1, 3 and 5; pag asks a second network


def test_a_copy_in_another_precision_begins_anew() -> None:
    net = deep_cached(UNet(SMALL).eval().requires_grad_(False), 3)
    x, t, context = torch.randn(1, 4, 8, 8), torch.tensor([500.0]), torch.randn(1, 7, 24)
    with torch.no_grad():
        net(x, t, context)
        assert torch.equal(copy.deepcopy(net)(x, t, context), net(x, t, context.clone()))


def test_bad_numbers_are_refused() -> None:
    net = UNet(SMALL)
    with pytest.raises(ValueError, match="at least 1"):
        deep_cached(net, 0)
    with pytest.raises(ValueError, match=r"0\.\.2"):
        deep_cached(net, 2, 3)
    for wrong in (0, -1, True, 2.5, [3, 1, 1], [], "3"):
        with pytest.raises(ValueError, match="deepcache is"):
            Settings(deepcache=wrong)  # type: ignore[arg-type]
