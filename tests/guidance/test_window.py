"""A negative prompt for a stretch of the run."""

from __future__ import annotations

import pytest
import torch
from counting_unet import CountingUNet, about, latent
from torch import Tensor, nn

from sukashi.diffusion.denoiser import guided, plain
from sukashi.diffusion.names import resolve
from sukashi.diffusion.types import Denoise, Level, Prediction
from sukashi.guidance.making import Guidance
from sukashi.guidance.window import Window, lowest, steps_inside, window
from sukashi.guides import guides

WANTED, EMPTY, NEGATIVE = about(1), about(2), about(3)
PLAN = resolve("ddim", None, {})
N = 10


def run(denoise: Denoise, sampler: str = "ddim") -> Tensor:
    plan = resolve(sampler, None, {})
    *_, step = plan.run(denoise, latent(), plan.levels(N), lambda: latent(seed=7))
    return step.x_next


def denoiser(
    unet: CountingUNet, inside: Window, outside: str = "empty", guide: str = "", plan=PLAN, **named: float
) -> Denoise:
    guidance = Guidance(
        unet=nn.Identity(), guard=lambda net: unet, predicts="epsilon", scale=5.0, methods=guides(guide), **named
    )
    return guidance.denoiser([(WANTED, 1.0)], EMPTY, NEGATIVE, inside, outside, plan.levels(N))


def by_hand(choose) -> Denoise:
    """A denoiser that looks up the step by its level and takes the unwanted prompt that ``choose`` gives for it."""
    levels, unet = PLAN.levels(N), CountingUNet()

    def denoise(x: Tensor, level: Level) -> Prediction:
        unwanted = choose(levels.index(level))
        return guided(unet, "epsilon", WANTED, unwanted, 5.0)(x, level)

    return denoise


@pytest.mark.parametrize(
    ("start", "stop", "steps"), [(0.3, 0.7, (3, 7)), ("step 2", None, (2, 10)), (0.0, 0.5, (0, 5))]
)
def test_a_window_is_switching_the_embeddings_by_hand(start, stop, steps) -> None:
    inside = window(start, stop, PLAN.levels(N))
    assert steps_inside(inside, PLAN.levels(N)) == list(range(*steps))
    unet = CountingUNet()
    expected = run(by_hand(lambda k: NEGATIVE if steps[0] <= k < steps[1] else EMPTY))
    assert torch.equal(run(denoiser(unet, inside)), expected)
    assert unet.rows == [4] * N, "two branches, never three"


def test_outside_off_is_no_guidance_and_one_branch() -> None:
    unet = CountingUNet()
    drawn = run(denoiser(unet, window(0.3, 0.8, PLAN.levels(N)), "off"))
    assert torch.equal(drawn, run(by_hand(lambda k: NEGATIVE if 3 <= k < 8 else None)))
    assert unet.rows == [2] * 3 + [4] * 5 + [2] * 2


@pytest.mark.parametrize("sampler", ["ddim", "dpm2_a", "heun", "plms", "euler", "dpm++_sde"])
def test_all_of_the_run_is_plain_negative_and_nothing_of_it_is_none_bit_for_bit(sampler: str) -> None:
    plan = resolve(sampler, None, {})
    levels = plan.levels(N)
    for start, unwanted in ((0.0, NEGATIVE), (1.0, EMPTY)):
        there = denoiser(CountingUNet(), window(start, None, levels), plan=plan)
        assert torch.equal(run(there, sampler), run(guided(CountingUNet(), "epsilon", WANTED, unwanted, 5.0), sampler))
    off = denoiser(CountingUNet(), window(1.0, None, levels), "off", plan=plan)
    assert torch.equal(run(off, sampler), run(plain(CountingUNet(), "epsilon", WANTED), sampler))


def test_only_an_own_scale_costs_a_third_branch_and_only_in_the_window() -> None:
    unet = CountingUNet()
    run(denoiser(unet, window("step 4", "step 6", PLAN.levels(N)), negative_scale=1.5))
    assert unet.rows == [4] * 4 + [6] * 2 + [4] * 4


def test_guidance_in_an_interval_of_noise() -> None:
    levels, unet = PLAN.levels(N), CountingUNet()
    high, low = levels[2].ve, levels[7].ve
    drawn = run(denoiser(unet, window(0, 1, levels), guide=f"interval(start=sigma {high}, stop=sigma {low})"))
    expected = run(by_hand(lambda k: NEGATIVE if low < levels[k].ve <= high else None))
    assert torch.equal(drawn, expected)
    assert unet.rows == [2] * 2 + [4] * 5 + [2] * 3


def test_presets_are_those_of_the_paper_at_30_steps() -> None:
    levels = PLAN.levels(30)
    for name, steps in {"noun": (5, 15), "adjective": (10, 30), "delayed": (5, 30)}.items():
        assert steps_inside(window(name, None, levels), levels) == list(range(*steps))
    assert steps_inside(window("noun", 0.9, levels), levels) == list(range(5, 27))


def test_a_sigma_is_sigma_over_alpha() -> None:
    levels = PLAN.levels(30)
    inside = window("sigma 3.2", "sigma 0.5", levels)
    assert steps_inside(inside, levels) == [k for k, level in enumerate(levels) if 0.5 < level.ve <= 3.2]


def test_moments_that_do_not_fit_the_run_are_refused() -> None:
    with pytest.raises(ValueError, match="negative_start is 'step 40', but the run has 10 steps"):
        lowest("step 40", PLAN.levels(N), "negative_start")
    with pytest.raises(ValueError, match=r"negative_start 0.5 comes after negative_stop 'step 3' in this run"):
        window(0.5, "step 3", PLAN.levels(N))
