"""DeepCache: whole when it says so, fewer layers between, and close to the exact picture."""

from __future__ import annotations

import pytest
import torch

import sukashi
from sukashi.fast.deepcache import deep_cached, with_deepcache
from sukashi.fast.twin import Quick
from sukashi.nets.unet import UNet, UNetConfig

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


def test_a_picture_of_kirie_is_close_and_its_record_says_how_it_was_made() -> None:
    pipe = sukashi.load("kirie", device="cpu")
    exact = pipe("a red circle", seed=1, steps=8).latents
    cached = with_deepcache(pipe, 2, 1)
    result, again = (cached("a red circle", seed=1, steps=8) for _ in range(2))
    assert torch.equal(result.latents, again.latents)
    difference = (result.latents - exact).square().mean() / exact.square().mean()
    assert 0 < difference < 0.2
    assert result.record()["loading"]["deepcache"] == "2, branch 1"
    assert "deepcache" not in pipe.loading
    assert Quick()(cached.unet) is not cached.unet


def test_bad_numbers_are_refused() -> None:
    net = UNet(SMALL)
    with pytest.raises(ValueError, match="at least 1"):
        deep_cached(net, 0)
    with pytest.raises(ValueError, match=r"0\.\.2"):
        deep_cached(net, 2, 3)
