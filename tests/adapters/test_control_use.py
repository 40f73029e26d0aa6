"""When adapters act, on which rows, and what is done to their pictures."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from control_models import HINT, UNETS, inputs
from PIL import Image
from torch import Tensor

from sukashi.adapters.control.acting import controlnet_act
from sukashi.adapters.control.controlnet import as_controlnet
from sukashi.adapters.control.hint import hint
from sukashi.adapters.steering import Act, Window, steered, tell, window
from sukashi.diffusion.denoiser import Conditioning, ask
from sukashi.diffusion.types import Level
from sukashi.nets.controlnet import ControlNet
from sukashi.nets.unet import UNet
from sukashi.precision import NumericalError
from sukashi.weights.configs import unet_config


def levels(n: int) -> list[Level]:
    """n + 1 levels whose t is 1000, 1000 - 1000 / n, ... 0."""
    return [Level(1000 * (1 - i / n), i / n, 1 - i / n) for i in range(n + 1)]


@pytest.mark.parametrize("n", [1, 4, 7, 10])
@pytest.mark.parametrize(("start", "stop"), [(0, 1), (0.3, 1), (0, 0.5), (0.25, 0.8), (0.1, 0.7), (0.9, 0.95)])
def test_a_window_holds_the_steps_that_diffusers_keeps(start: float, stop: float, n: int) -> None:
    inside = window(start, stop, levels(n))
    held = [inside.holds(torch.tensor(level.t).item()) for level in levels(n)[:-1]]
    assert held == [not (i / n < start or (i + 1) / n > stop) for i in range(n)]


def test_between_two_levels_a_sampler_is_still_in_the_earlier_step() -> None:
    inside = window(0.25, 0.5, levels(4))
    assert [inside.holds(t) for t in (751, 750, 600, 501, 500, 400)] == [False, True, True, True, False, False]
    assert window(0, 1, levels(4)) == Window(until=math.inf, after=-math.inf)


def adding(amount: float, seen: list[int], **options: Any) -> Act:
    """An adapter that adds ``amount`` to the middle, and notes how many rows it saw."""

    def residuals(x: Tensor, t: Tensor, context: Tensor, more: Any) -> list[Tensor]:
        seen.append(len(x))
        assert len(context) == len(t) == len(x)
        return [torch.zeros(len(x), 1, 1, 1)] * 12 + [torch.full((len(x), 1, 1, 1), amount)]

    return Act(window=options.pop("window", Window()), residuals=residuals, **options)


@pytest.fixture(scope="module")
def net() -> UNet:
    torch.manual_seed(0)
    return UNet(unet_config(UNETS["sd1"])).requires_grad_(False).eval()


def test_residuals_are_summed_and_rows_left_alone(net: UNet) -> None:
    x, t, context, _ = inputs()
    seen: list[int] = []
    both = [adding(0.5, seen), adding(0.25, seen)]
    together = steered(net, lambda module: module, both)(x, t, context)
    expected = net(x, t, context, residuals=[torch.zeros(1)] * 12 + [torch.tensor(0.75)])
    assert torch.equal(together, expected)
    unwanted, wanted = (
        tell(Conditioning(context=context[k : k + 1]), [adding(0, [], wanted_only=True)], wanted=k == 1) for k in (0, 1)
    )
    half = ask(
        steered(net, lambda module: module, [adding(0.75, seen, wanted_only=True)]),
        x,
        Level(321, 1, 0),
        unwanted + wanted,
    )
    assert seen == [2, 2, 1]
    plain = net(x, t, context)
    assert torch.equal(half[:1], plain[:1])
    assert (half[1:] - expected[1:]).abs().max() <= 1e-6
    assert (half[1:] - plain[1:]).abs().max() > 1e-4


def test_a_controlnet_that_overflows_is_computed_in_float32_and_named(net: UNet) -> None:
    x, t, context, picture = inputs()
    control = ControlNet(as_controlnet(net.config, hint_channels=HINT)).requires_grad_(False).eval()
    generator, notes = torch.Generator().manual_seed(1), list[str]()
    for p in control.parameters():
        p.copy_(torch.randn(p.shape, generator=generator) * 0.1)
    control.controlnet_mid_block.weight.mul_(1e5)  # float16 ends at 65504
    half = control.half()

    def run() -> Tensor:
        act = controlnet_act(half, picture, 1e-5, Window(), name="ControlNet edges.pth", notes=notes)
        return steered(net, lambda module: module, [act])(x, t, context)

    found = run()
    more = copy.deepcopy(half).float()(x, t, context.half().float(), picture.half().float())
    assert (found - net(x, t, context, residuals=[r * 1e-5 for r in more])).abs().max() < 1e-5
    assert notes == ["the ControlNet edges.pth overflowed in float16: computed again, and from there on, in float32"]
    half.controlnet_mid_block.weight.fill_(torch.nan)
    with pytest.raises(NumericalError, match=r"ControlNet edges.pth gave NaN .* layer is controlnet_mid_block"):
        run()


def test_out_of_its_window_an_adapter_is_not_asked(net: UNet) -> None:
    x, t, context, _ = inputs()
    seen: list[int] = []
    calls = steered(net, lambda module: module, [adding(1.0, seen, window=Window(until=300.0))])
    assert torch.equal(calls(x, t, context), net(x, t, context))
    assert seen == []


def test_pictures_are_brought_to_size_and_that_is_said() -> None:
    values = np.random.default_rng(0).integers(0, 256, (30, 60, 3), dtype=np.uint8)
    picture, notes = Image.fromarray(values), []
    same = hint(picture, 60, 30, notes=notes)
    assert torch.equal(same, torch.from_numpy(values).permute(2, 0, 1)[None] / 255)
    assert notes == []
    cropped = hint(picture, 30, 30, notes=notes)
    assert torch.equal(cropped, same[..., 15:45])
    stretched = hint(picture, 24, 24, fit="stretch", notes=notes)
    reference = np.asarray(picture.resize((24, 24), Image.Resampling.LANCZOS), dtype=np.float32) / 255
    assert np.array_equal(stretched[0].permute(1, 2, 0).numpy(), reference)
    grey = hint(picture.convert("L"), 60, 30, channels=3, notes=notes)
    assert grey.shape == (1, 3, 30, 60)
    assert hint(picture, 60, 30, channels=1, notes=notes).shape == (1, 1, 30, 60)
    assert notes == [
        "the control picture was scaled and cropped from 60 x 30 to 30 x 30",
        "the control picture was stretched from 60 x 30 to 24 x 24",
        "the control picture was of mode L: used as RGB",
    ]
    with pytest.raises(ValueError, match="fit is 'pad'; accepted: crop, stretch"):
        hint(picture, 8, 8, fit="pad", notes=[])
    with pytest.raises(ValueError, match=r"shape \(1, 3, 4, 4\); \(B, 3, 8, 8\) is needed"):
        hint(torch.zeros(1, 3, 4, 4), 8, 8, notes=[])
