"""T-GATE: exact while the gate is open, half the pictures and no attention to the prompt behind it."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import sukashi
from sukashi.diffusion.denoiser import Conditioning, ask, guided, plain
from sukashi.diffusion.types import Level
from sukashi.fast.tgate import Gate, gated, gating
from sukashi.nets.shallow import attentions
from sukashi.nets.unet import UNet, UNetConfig
from sukashi.settings import Settings
from sukashi.tasks.replaying import replay

SMALL = UNetConfig(channels=(32, 64), depth=(1, 0), heads=(2, 2), cross_only=(False,) * 2, context_dim=24, groups=8)
SMALLER: dict[str, Any] = {"steps": 4, "width": 64, "height": 64}
PROMPT: dict[str, Any] = {"prompt": "a red circle", "seed": 1, **SMALLER}


@pytest.fixture(scope="module")
def pipe() -> sukashi.Pipeline:
    return sukashi.load("kirie", device="cpu")


def level(sigma: float) -> Level:
    return Level(t=1000 * sigma, alpha=math.sqrt(1 - sigma**2), sigma=sigma)


class Replaced(nn.Module):
    """The oracle: a layer that says one given thing."""

    def __init__(self, out: Tensor) -> None:
        super().__init__()
        self.out = out

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        return self.out


def test_behind_the_gate_layers_say_the_mean_of_what_both_halves_heard_last() -> None:
    torch.manual_seed(0)
    net = UNet(SMALL).eval().requires_grad_(False)
    wanted, unwanted = (Conditioning(context=torch.randn(2, 7, 24)) for _ in range(2))
    x, late = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    asked: list[int] = []

    def guard(one: UNet) -> UNet:
        one.conv_in.register_forward_hook(lambda _, given, __: asked.append(len(given[0])))
        return one

    denoise = gating(net, guard, "epsilon", wanted, unwanted, 3.0, 0.0, closing=0.5)
    plainly = guided(net, "epsilon", wanted, unwanted, 3.0)
    with torch.no_grad():
        for sigma in (0.9, 0.5):
            torch.testing.assert_close(denoise(x, level(sigma)).x0, plainly(x, level(sigma)).x0)
        said: dict[str, Tensor] = {}
        hooks = [
            layer.register_forward_hook(lambda *given, name=name: said.__setitem__(name, given[-1]))
            for name, layer in attentions(net, to_text=True).items()
        ]
        ask(net, torch.cat([x, x]), level(0.5), unwanted + wanted)
        for hook in hooks:
            hook.remove()
        oracle = copy.deepcopy(net)
        for name, out in said.items():
            parent, _, child = name.rpartition(".")
            setattr(oracle.get_submodule(parent), child, Replaced((out[:2] + out[2:]) / 2))
        expected = plain(oracle, "epsilon", wanted)(late, level(0.4))
        asked.clear()
        found = denoise(late, level(0.4))
    torch.testing.assert_close(found.x0, expected.x0)
    assert asked == [2] and not found.parts  # one call about two pictures, no second half


def test_a_gate_at_the_end_of_the_run_changes_no_bit(pipe: sukashi.Pipeline) -> None:
    exact = pipe(**PROMPT, deepcache=1).latents
    assert torch.equal(pipe(**PROMPT, tgate=4).latents, exact)
    assert torch.equal(pipe(**PROMPT, tgate=1.0).latents, exact)
    assert not torch.equal(pipe(**PROMPT, tgate=3).latents, exact)


def test_its_record_draws_the_picture_again(pipe: sukashi.Pipeline) -> None:
    result = pipe(**PROMPT, tgate=2, deepcache=2, sampler="heun")
    assert any("the prompt is heard in 2 of 4 steps" in note for note in result.notes)
    record = json.loads(json.dumps(result.record()))
    assert record["settings"]["tgate"] == 2 and record["settings"]["deepcache"] == 2
    assert torch.equal(replay(record, pipe).latents, result.latents)
    for same in ("step 2", 0.5):
        assert torch.equal(pipe(**PROMPT, tgate=same, deepcache=2, sampler="heun").latents, result.latents)


def test_a_batch_is_its_pictures(pipe: sukashi.Pipeline) -> None:
    both = pipe(["a red circle", "a cat"], seed=1, **SMALLER, tgate=2).latents
    alone = pipe("a cat", seed=2, **SMALLER, tgate=2).latents
    torch.testing.assert_close(both[1:], alone, atol=1e-4, rtol=1e-4)


def test_a_copy_in_another_precision_goes_on_with_the_run() -> None:
    gate = Gate(1)
    net = gated(UNet(SMALL), gate)
    assert all(layer.gate is gate for layer in copy.deepcopy(net).modules() if hasattr(layer, "gate"))


def test_what_cannot_be_is_refused_by_name(pipe: sukashi.Pipeline) -> None:
    for wrong in (0, -3, True, 1.5, "soon", math.nan):
        with pytest.raises(ValueError, match="tgate is"):
            Settings(tgate=wrong)
    with pytest.raises(ValueError, match="tgate is 'step 7', but the run has 4 steps"):
        pipe(**PROMPT, tgate=7)
    with pytest.raises(ValueError, match=r"tgate is 0\.0, before the first step"):
        pipe(**PROMPT, tgate=0.0)
    with pytest.raises(ValueError, match="plain guidance alone"):
        pipe(**PROMPT, tgate=3, guide="apg")
