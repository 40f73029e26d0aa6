"""What a U-Net needs is estimated from above, and what does not fit is made in portions that come out the same."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import sukashi
from sukashi.families import FAMILIES
from sukashi.fast import portions
from sukashi.fast.portions import PLANES, Portions, at_once, fitting, needed, peaks
from sukashi.fast.twin import Quick
from sukashi.nets.unet import UNet, UNetConfig

SMALL = UNetConfig(
    channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=24, groups=8, resnets=1
)


class Alive(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive at once, those in ``known`` left out."""

    def __init__(self, known: set[int]) -> None:
        super().__init__()
        self.known, self.now, self.most = known, 0, 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        for storage in (x.untyped_storage() for x in tree_leaves(out) if isinstance(x, Tensor)):
            if storage._cdata not in self.known:
                self.known.add(storage._cdata)
                self.now += storage.nbytes()
                self.most = max(self.most, self.now)
                weakref.finalize(storage, self.gone, storage._cdata, storage.nbytes())
        return out

    def gone(self, name: int, count: int) -> None:
        self.known.discard(name)
        self.now -= count


@pytest.mark.slow
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_the_estimate_is_above_what_is_needed(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config, cells = FAMILIES[family].unet, 32
    with torch.device("meta"):
        net = UNet(config).requires_grad_(False)
        x, t, context = torch.empty(1, 4, cells, cells), torch.empty(1), torch.empty(1, 77, config.context_dim)
        sizes = {"pooled": torch.empty(1, 1280), "sizes": torch.empty(1, 6)} if config.pooled_dim else {}
    monkeypatch.setattr("sukashi.nets.unet.Attention.attend", lambda self, q, k, v: torch.empty_like(q))
    alive = Alive({weight.untyped_storage()._cdata for weight in net.parameters()})
    with torch.no_grad(), alive:
        net(x, t, context, **sizes)
    estimate = needed(config, cells * cells, 4)
    assert 0.4 * estimate < alive.most < 0.85 * estimate
    assert PLANES > 24


def test_a_call_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "ASKED_FROM", 1)
    net = UNet(SMALL).eval().requires_grad_(False)
    seen: list[int] = []
    monkeypatch.setattr(UNet, "forward", counting(UNet.forward, seen))
    one = needed(SMALL, 64, 4)
    quick = Portions(Quick(), lambda device: int(2.5 * one))
    x, t, context = torch.randn(5, 4, 8, 8), torch.arange(5.0), torch.randn(5, 7, 24)
    residuals = [torch.zeros(1, 1, 1, 1).expand(5, 1, 1, 1)] * (len(SMALL.skips) + 1)
    with torch.no_grad():
        for _ in range(2):
            found = quick(net)(x, t, context, noise_level=None, residuals=residuals)
        expected = net(x, t, context)
    assert seen == [2, 2, 1, 2, 2, 1, 5]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert len(quick.notes) == 1 and "the U-Net took 2 of 5 rows at a time" in quick.notes[0]
    seen.clear()
    with torch.no_grad():
        Portions(Quick(), lambda device: None)(net)(x, t, context)
        Portions(Quick(), lambda device: 100 * one)(net)(x, t, context)
        Portions(Quick(), lambda device: 0)(net)(x[:1], t[:1], context[:1])
    assert seen == [5, 5, 1]


def counting(forward: Any, seen: list[int]) -> Any:
    def counted(self: UNet, x: Tensor, *inputs: Any, **named: Any) -> Tensor:
        seen.append(len(x))
        out: Tensor = forward(self, x, *inputs, **named)
        return out

    return counted


def test_how_many_pictures_at_a_time() -> None:
    pipe = sukashi.load("kirie", device="cpu")
    one = needed(pipe.unet.config, (128 // pipe.vae.config.factor) ** 2, 4)
    assert at_once(pipe, 128, 128, 8, 100 * one)[0] == 8
    size, said = at_once(pipe, 128, 128, 8, int(7 * one))
    assert size == 3 and said.startswith("3 of 8 pictures at a time: 0.0 GiB free on cpu")
    assert at_once(pipe, 128, 128, 8, 1)[0] == 1
    assert fitting(pipe.unet.config, 64, 4, None) is None
    assert peaks()["main"] > 100 << 20
