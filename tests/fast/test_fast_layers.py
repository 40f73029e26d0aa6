"""Each technique beside plain torch in float64, on odd sizes too."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.fast import by_rows, enlarging, ops, winograd
from sukashi.fast.attention import chunked

torch.manual_seed(0)


def error(found: Tensor, expected: Tensor) -> float:
    """As a part of the largest value."""
    return ((found.double() - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("size", [(1, 1), (4, 8), (7, 5), (33, 50)])
@pytest.mark.parametrize("bias", [True, False])
def test_winograd_is_the_convolution(size: tuple[int, int], bias: bool) -> None:
    x, weight, b = torch.randn(2, 13, *size), torch.randn(6, 13, 3, 3), torch.randn(6) if bias else None
    expected = F.conv2d(x.double(), weight.double(), None if b is None else b.double(), padding=1)
    for kept in (None, winograd.transformed(weight)):
        made = winograd.convolve(x, weight, b, kept)
        assert made.shape == expected.shape
        assert error(made, expected) < 2e-5
    exact = winograd.convolve(x.double(), weight.double(), None if b is None else b.double())
    assert error(exact, expected) < 1e-13  # the algebra is right; the rest is rounding


def test_winograd_in_portions_gives_a_picture_the_same_bits_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight, bias = torch.randn(3, 8, 20, 12), torch.randn(70, 8, 3, 3), torch.randn(70)
    whole = winograd.convolve(x, weight, bias)
    assert torch.equal(whole[1:2], winograd.convolve(x[1:2], weight, bias))
    winograd.ROOM.held.clear()
    with torch.inference_mode():
        winograd.convolve(x, weight, bias)
    assert torch.equal(whole, winograd.convolve(x, weight, bias))  # outside of it again
    for name in ("PORTION", "WEIGHTS", "MANY"):  # one row of tiles, 32 channels, one picture at a time
        monkeypatch.setattr(winograd, name, 1)
        made = winograd.convolve(x, weight, bias)
        assert error(made, whole.double()) < 2e-5
        assert torch.equal(made[1:2], winograd.convolve(x[1:2], weight, bias))


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 50)])
def test_normalisation_inside_the_convolution(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_rows, "PORTION", 1000)
    x, weight, norm = 3 + torch.randn(2, 12, *size), torch.randn(6, 12, 3, 3), nn.GroupNorm(4, 12)
    nn.init.normal_(norm.weight), nn.init.normal_(norm.bias)
    expected = F.conv2d(F.silu(copy.deepcopy(norm).double()(x.double())), weight.double(), padding=1)
    x = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        made = winograd.convolve(x, weight, None, before=by_rows.activation(x, norm))
    assert error(made, expected.detach()) < 2e-5


@pytest.mark.parametrize("size", [(1, 1), (4, 6), (5, 3)])
def test_enlarging_is_doubling_and_convolving(size: tuple[int, int]) -> None:
    x, weight, bias = torch.randn(2, 5, *size), torch.randn(7, 5, 3, 3), torch.randn(7)
    doubled = F.interpolate(x.double(), scale_factor=2.0)
    expected = F.conv2d(doubled, weight.double(), bias.double(), padding=1)
    small = enlarging.summed(weight)
    made = enlarging.enlarge(x, lambda y: F.conv2d(y, small, bias.repeat(4), padding=1))
    assert error(made, expected) < 1e-6


def test_attention_in_portions() -> None:
    q, k, v = (torch.randn(2, n, 3, 10).transpose(1, 2) for n in (301, 77, 77))
    expected = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    assert error(chunked(q, k, v), expected) < 5e-6


def test_attention_in_portions_in_bfloat16_is_a_few_roundings_off() -> None:
    q, k, v = (torch.randn(1, 1024, 2, 16).bfloat16().transpose(1, 2) for _ in range(3))
    expected = F.scaled_dot_product_attention(q.double(), k.double(), v.double())
    assert error(chunked(q, k, v), expected) < 6 * error(F.scaled_dot_product_attention(q, k, v), expected)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("side", [0, 1])
def test_packed_convolution(stride: int, side: int) -> None:
    if why := ops.problem("packed convolution", torch.float32):
        pytest.skip(why)
    x, weight, bias = torch.randn(2, 24, 9, 7), torch.randn(16, 24, 3, 3), torch.randn(16)
    packed = ops.pack_convolution(weight, (stride, stride), (side, side), x.shape)
    expected = F.conv2d(x.double(), weight.double(), bias.double(), stride, side)
    assert error(ops.convolve(x, packed, bias, (stride, stride), (side, side)), expected) < 1e-6
    other = torch.randn(1, 24, 6, 12)  # not the size that it was packed for
    expected = F.conv2d(other.double(), weight.double(), bias.double(), stride, side)
    assert error(ops.convolve(other, packed, bias, (stride, stride), (side, side)), expected) < 1e-6
