"""Denoising without a scheduler: the derivation of the ratio, checked in numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import sukashi
from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.types import Level, Prediction
from sukashi.families import FAMILIES
from sukashi.watch.experiments.unscheduled import (
    SLIDES,
    angles,
    even_levels,
    gain,
    right_ratio,
    slides_levels,
    unscheduled,
    walk,
)

SD2 = NoiseSchedule(FAMILIES["sd2-v"].scheduler)
M = torch.linspace(-2, 2, 16).view(1, 1, 4, 4)


def always_m(x: torch.Tensor, level: Level) -> Prediction:
    return Prediction(M, (x - level.alpha * M) / level.sigma)


def test_the_ratio_is_the_angle_between_the_first_and_the_last_step() -> None:
    assert right_ratio(SD2) == pytest.approx(1.4733, abs=5e-5)
    assert abs(SLIDES - right_ratio(SD2)) < 0.002
    assert angles(SD2)[-1] == pytest.approx(1.5025, abs=5e-5)
    steps = [a - b for a, b in zip(angles(SD2)[:0:-1], angles(SD2)[-2::-1], strict=True)]
    assert sum(steps) == pytest.approx(right_ratio(SD2))  # it does not depend on how the way is divided
    flat = NoiseSchedule(dict(FAMILIES["sd2-v"].scheduler) | {"rescale_betas_zero_snr": True})
    assert angles(flat)[-1] == pytest.approx(math.pi / 2)


def test_v_is_the_derivative_by_the_angle() -> None:
    x0, eps = torch.randn(2, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    phi, d = 0.7, 1e-6
    slope = ((math.cos(phi + d) - math.cos(phi - d)) * x0 + (math.sin(phi + d) - math.sin(phi - d)) * eps) / (2 * d)
    torch.testing.assert_close(slope, math.cos(phi) * eps - math.sin(phi) * x0, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize(("ratio", "picture", "noise"), [
    (1.0, 0.937, 0.167), (1.25, 0.9825, 0.096), (1.45, 0.9994, 0.057), (1.475, 1.0006, 0.053), (1.5, 1.0017, 0.049),
    (1.75, 1.006, 0.020), (2.0, 1.0025, 0.003), (3.0, 0.976, -0.012),
])  # fmt: skip
def test_gains_are_those_of_the_loop(ratio: float, picture: float, noise: float) -> None:
    levels = slides_levels(SD2, 50)
    found = gain(levels, ratio)
    assert found.picture == pytest.approx(picture, abs=6e-4) and found.noise == pytest.approx(noise, abs=6e-4)
    start = torch.randn(M.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    *_, end = walk(always_m, start, levels, ratio)
    torch.testing.assert_close(end, found.picture * M.double() + found.noise * start, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("steps", "within"), [(10, 0.03), (50, 1e-3)])
def test_equal_angles_give_the_picture_back(steps: int, within: float) -> None:
    start = torch.randn(M.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    *_, end = walk(always_m, start, even_levels(SD2, steps), float(angles(SD2)[-1]))
    assert (end - M).abs().max() < within
    told = [level.t for level in even_levels(SD2, 10)]
    np.testing.assert_allclose(told, [999, 771.7, 634.1, 523.4, 425.1, 333.5, 246.1, 162.3, 85, 24], atol=0.6)


def test_on_kirie_equal_angles_are_nearest_to_ddim() -> None:
    found = unscheduled(sukashi.load("kirie", device="cpu"), "a cat", steps=24, seeds=(1,), ratios=(1.0, SLIDES))
    near = {row["way"]: row["PSNR to DDIM"] for row in found.rows[:-1]}
    assert max(near, key=lambda way: near[way]) == "equal angles"
    assert [row["about"] for row in found.rows[1:3]] == ["derived", "the slides'"]
    told, reached = found.charts[0].lines
    assert max(abs(a - b) for a, b in zip(told.y, reached.y, strict=True)) > 0.1
