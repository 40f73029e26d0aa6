"""One denoiser after another, by noise level."""

from __future__ import annotations

import math

import pytest
from counting_unet import latent

from sukashi.diffusion.names import resolve
from sukashi.diffusion.types import Denoise, Level, Prediction
from sukashi.guidance.switch import ending, fraction, switch


def named(called: list[str], name: str) -> Denoise:
    def denoise(x, level):
        called.append(name)
        return Prediction(x, x)

    return denoise


def test_every_step_is_given_to_the_segment_it_is_in() -> None:
    plan, called = resolve("ddim", None, {}), []
    levels = plan.levels(10)
    both = switch([(fraction(levels, 0.3), named(called, "a")), (0.0, named(called, "b"))])
    for _ in plan.run(both, latent(), levels, lambda: latent()):
        pass
    assert called == ["a"] * 3 + ["b"] * 7


def test_a_call_between_two_levels_belongs_to_the_segment_that_is_not_over() -> None:
    levels = resolve("dpm2", "karras", {}).levels(10)
    called: list[str] = []
    both = switch([(ending(levels, 4), named(called, "a")), (0.0, named(called, "b"))])
    between = (levels[3].sigma + levels[4].sigma) / 2
    for sigma in (levels[3].sigma, between, levels[4].sigma, 0.0):
        both(latent(), Level(0.0, math.sqrt(1 - sigma**2), sigma))
    assert called == ["a", "a", "b", "b"]


def test_the_ends_of_a_run() -> None:
    levels = resolve("euler", None, {}).levels(10)
    assert fraction(levels, 0.0) == math.inf and fraction(levels, 1.0) == 0.0
    a, b = named([], "a"), named([], "b")
    assert switch([(fraction(levels, 0.0), a), (0.0, b)]) is b
    assert switch([(fraction(levels, 1.0), a), (0.0, b)]) is a


def test_floor_of_the_fraction() -> None:
    levels = resolve("ddim", None, {}).levels(30)
    assert fraction(levels, 5 / 30) == ending(levels, 5)
    assert fraction(levels, 0.19) == ending(levels, 5)


@pytest.mark.parametrize("bounds", [[], [0.5], [0.2, 0.5, 0.0]])
def test_segments_that_do_not_cover_the_run_are_refused(bounds: list[float]) -> None:
    with pytest.raises(ValueError, match="falling values that end in 0"):
        switch([(bound, named([], "a")) for bound in bounds])
