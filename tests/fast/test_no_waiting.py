"""Between two calls of the U-Net nobody asks the device for a number: a GPU is never waited for.

Tensors on torch's "meta" device have no numbers, so that everything that wants one raises. What is allowed to ask, once
for each call of a network, is the guard that sees NaN and infinity (``precision.finite``): it has to name the step and
the layer, and computes again in float32 before the sampler goes on. Here it is told that all is well. The guide
``cutoff`` asks once a step too, since what it saves depends on the answer.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from sukashi import precision
from sukashi.adapters.steering import Act, Window, steered, tell
from sukashi.diffusion.denoiser import Conditioning, ask, guided
from sukashi.diffusion.names import resolve
from sukashi.diffusion.registry import SAMPLERS
from sukashi.diffusion.types import Level
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.precision import guarded

SMALL = UNetConfig(
    channels=(8, 8), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=8, groups=4, resnets=1
)
X = torch.empty(2, 4, 8, 8, device="meta")
TOLD = Conditioning(context=torch.empty(2, 7, 8, device="meta"))
CONFIG = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}


def blind(x: Tensor, t: Tensor, context: Tensor, **told: object) -> Tensor:
    """A U-Net of few operations."""
    return x * t[:, None, None, None]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samplers(sampler: str) -> None:
    plan = resolve(sampler, None, CONFIG)
    x, denoise = X, guided(blind, "epsilon", TOLD, TOLD, 7.5, 0.5)
    for step in plan.run(denoise, x, plan.levels(4), lambda: torch.empty_like(X)):
        x = step.x_next
    assert x.is_meta


def test_adapters() -> None:
    net = UNet(SMALL).to("meta")
    sizes = ((8, 8, 8), (8, 8, 8), (8, 4, 4), (8, 4, 4), (8, 4, 4))
    found = [torch.empty(2, *size, device="meta") for size in sizes]

    def residuals(x: Tensor, *_: object) -> list[Tensor]:
        return [torch.cat([r] * (len(x) // 2)) for r in found]

    acts = [Act(window=Window(until=600.0), residuals=residuals, wanted_only=only) for only in (False, True)]
    unet = steered(net, lambda module: module, acts)
    both = tell(TOLD, acts, wanted=False) + tell(TOLD, acts, wanted=True)
    for t in (900.0, 500.0):
        assert ask(unet, torch.cat([X, X]), Level(t, 0.6, 0.8), both).is_meta


def test_only_the_guard_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    net, asked, notes = UNet(SMALL).to("meta"), list[object](), list[str]()
    unet = guarded(net, lambda net, *inputs, **named: net(*inputs, **named), "U-Net", notes)
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        ask(unet, X, Level(500.0, 0.6, 0.8), TOLD)
    monkeypatch.setattr(precision, "finite", lambda x: not asked.append(x))
    assert ask(unet, X, Level(500.0, 0.6, 0.8), TOLD).is_meta
    assert len(asked) == 1
