"""The ratio of attention to the negative prompt and to the prompt, and the step where it peaks."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F

from sukashi.diffusion.denoiser import Conditioning, guided
from sukashi.diffusion.names import resolve
from sukashi.diffusion.types import Level
from sukashi.guidance.strength import Strength, measured, strength
from sukashi.pipeline import Pipeline
from tiny_models import tiny_model


def given(seed: int) -> Conditioning:
    return Conditioning(context=torch.randn(2, 7, 32, generator=torch.Generator().manual_seed(seed)) * 4)


@torch.no_grad()
def test_the_ratio_is_that_of_the_papers_code() -> None:
    unet = tiny_model("sd1").unet
    wanted, negative = given(1), given(2)
    x = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    level = Level(300.0, 0.8, 0.6)
    denoise, found = measured(unet, lambda net: net, "epsilon", wanted, negative, 5.0)
    drawn = denoise(x, level)
    assert torch.equal(drawn.eps, guided(unet, "epsilon", wanted, negative, 5.0)(x, level).eps)

    sums = {"-": 0.0, "+": 0.0}
    hooked = copy.deepcopy(unet)

    def hook(module, inputs, _) -> None:
        hidden, context = inputs
        q = module.to_q(hidden).unflatten(-1, (module.heads, -1))
        k = module.to_k(context).unflatten(-1, (module.heads, -1))
        maps = (torch.einsum("bnhd,bthd->bhtn", q, k) / q.shape[-1] ** 0.5).softmax(dim=2)
        side = round(maps.shape[-1] ** 0.5)
        for sign, half in zip("-+", maps.chunk(2), strict=True):
            for head in half.flatten(0, 1):  # one head of one picture: (T, n)
                up = F.interpolate(head.view(1, 7, side, side), size=(16, 16), mode="bicubic").clamp_min(0)
                sums[sign] += float((up**2).mean())

    for name, module in hooked.named_modules():
        if name.endswith("attn2") and "mid_block" not in name:
            module.register_forward_hook(hook)
    guided(hooked, "epsilon", wanted, negative, 5.0)(x, level)
    assert found.ratios == pytest.approx([sums["-"] / sums["+"]], rel=1e-5) and found.levels == [level]
    assert abs(found.ratios[0] - 1) > 1e-4, "the two prompts are attended alike: the test sees nothing"


def test_the_peak_is_a_level_and_growth_to_the_end_is_none() -> None:
    plan = resolve("ddim", None, {})
    short = plan.levels(10)
    found = Strength(short[:-1], [1.0, 1.1, 1.4, 1.3, *[0.5] * 6])
    assert found.critical == short[2]
    assert found.peaks and not Strength(short[:-1], [1.0 + k for k in range(10)]).peaks


def test_strength_sums_heads_and_averages_everything_else() -> None:
    even = torch.full((2, 3, 16, 5), 0.2)
    torch.testing.assert_close(strength(even, (4, 4), (8, 8)), torch.full((2,), 3 * 0.04))


@pytest.mark.parametrize("scale", [0.0, 1.0])
@torch.no_grad()
def test_both_prompts_are_measured_where_guidance_needs_one(scale: float) -> None:
    unet, x, level = tiny_model("sd1").unet, torch.ones(2, 4, 16, 16), Level(300.0, 0.8, 0.6)
    denoise, found = measured(unet, lambda net: net, "epsilon", given(1), given(2), scale)
    drawn, plain = denoise(x, level), guided(unet, "epsilon", given(1), given(2), scale)(x, level)
    torch.testing.assert_close(drawn.eps, plain.eps, atol=1e-4, rtol=1e-4)
    other, same = measured(unet, lambda net: net, "epsilon", given(1), given(2), 5.0)
    other(x, level)
    assert found.ratios == same.ratios


@pytest.mark.parametrize(
    ("options", "said"),
    [({"guidance": 1.0}, "does nothing without guidance"), ({"negative_prompt": None}, "without a negative prompt")],
)
def test_auto_measures_only_what_is_heard(options: dict, said: str) -> None:
    parts = tiny_model("sd1")
    pipe = Pipeline(parts, dict(width=64, height=64, steps=2, guidance=4.0), name="tiny")
    auto = {"negative_prompt": "dog", "negative_start": "auto", "seed": 1}
    result = pipe("a cat", **{**auto, **options})
    assert any(said in note for note in result.notes) and result.requests[0].negative_start == 0.0
    nag = pipe("a cat", **auto, guide="nag", guidance=1.0)
    assert any("negative_start auto: over 2 steps" in note for note in nag.notes)
