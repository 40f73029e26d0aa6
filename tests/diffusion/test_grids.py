"""Grids: what they visit at any number of steps, and what they refuse."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from sukashi.diffusion import curves, grids, special
from sukashi.diffusion.names import resolve
from sukashi.diffusion.registry import GRIDS
from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.types import CLEAN

SD = NoiseSchedule()


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid_makes_n_falling_levels_and_a_clean_one(name: str) -> None:
    for n in (1, 2, 3, 7, 8, 20, 33, 50):
        levels = GRIDS[name](SD, n)
        assert len(levels) == n + 1
        assert levels[-1] is CLEAN
        assert all(a.ve > b.ve for a, b in pairwise(levels)), n
        assert all(a.t >= b.t for a, b in pairwise(levels)), n
        assert all(0 <= level.t <= 999 for level in levels)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("n", [0, -1, 1001])
def test_more_steps_than_the_training_are_refused(name: str, n: int) -> None:
    with pytest.raises(ValueError, match=f"{n} steps cannot be made; accepted: 1 to "):
        GRIDS[name](SD, n)


def test_every_training_step_can_be_visited() -> None:
    for name in ("leading", "linspace", "trailing", "simple", "ddim_uniform"):
        assert [level.t for level in GRIDS[name](SD, 1000)[:-1]] == list(range(999, -1, -1))


def test_where_the_spacings_begin_and_end() -> None:
    """The flaw that arXiv:2305.08891 names: only trailing and linspace see the last step, and trailing at any n."""
    offset = SD.offset
    for n in (1, 4, 25, 30):
        assert grids.trailing(SD, n)[0].t == 999
        assert grids.leading(SD, n)[-2].t == offset
        assert grids.leading(SD, n)[0].t == (n - 1) * (1000 // n) + offset
    assert [level.t for level in grids.linspace(SD, 4)[:-1]] == [999, 666, 333, 0]
    assert [level.t for level in grids.linspace(SD, 4, spare=1)[:-1]] == [999, 749, 500, 250]
    assert [level.t for level in grids.linspace(SD, 3, whole=False)[:-1]] == [999, 499.5, 0]
    assert [level.t for level in grids.leading(SD, 4, spare=1)[:-1]] == [801, 601, 401, 201]


def test_given_levels() -> None:
    levels = grids.given_timesteps(SD, [999, 500.5, 0])
    assert [level.t for level in levels] == [999, 500.5, 0, 0]
    assert [level.ve for level in grids.given_sigmas(SD, [14.6, 2, 0.1, 0])] == pytest.approx([14.6, 2, 0.1, 0])
    assert grids.given_sigmas(SD, [14.6, 2, 0.1]) == grids.given_sigmas(SD, [14.6, 2, 0.1, 0])
    plan = resolve("euler")
    assert plan.levels(timesteps=[999, 500.5, 0]) == levels
    assert plan.levels(sigmas=[14.6, 2, 0.1]) == grids.given_sigmas(SD, [14.6, 2, 0.1])
    assert resolve("ddim").levels(timesteps=[500])[-1] == SD.at(0), "each plan ends as it always does"


@pytest.mark.parametrize("given", [[], [1, 2], [0], [3, 3.5]])
def test_given_levels_that_do_not_fall_are_refused(given: list[float]) -> None:
    with pytest.raises(ValueError, match="falling"):
        grids.given_sigmas(SD, given)
    if given != [0]:
        with pytest.raises(ValueError, match="falling"):
            resolve("euler").levels(timesteps=given)


def test_align_your_steps_is_the_published_table() -> None:
    """diffusers keeps the tables with 0 in place of the last sigma, and their timesteps."""
    sd1 = curves.ays(SD, 10)
    assert [level.ve for level in sd1] == pytest.approx([*curves.AYS["ays"][:-1], 0])
    published = [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]
    assert [level.t for level in sd1[:-1]] == pytest.approx(published, abs=1.5)
    sdxl = curves.ays(SD, 10, table="ays_sdxl")
    assert [level.ve for level in sdxl] == pytest.approx([*curves.AYS["ays_sdxl"][:-1], 0])
    twenty = [level.ve for level in curves.ays(SD, 20)]
    assert twenty[::2] == pytest.approx([level.ve for level in sd1])
    assert np.log(twenty[1]) == pytest.approx((np.log(twenty[0]) + np.log(twenty[2])) / 2)


def test_align_your_steps_agrees_with_diffusers() -> None:
    utils = pytest.importorskip("diffusers.schedulers")
    assert pytest.approx([*curves.AYS["ays"][:-1], 0]) == utils.AysSchedules["StableDiffusionSigmas"]
    assert pytest.approx([*curves.AYS["ays_sdxl"][:-1], 0]) == utils.AysSchedules["StableDiffusionXLSigmas"]


def test_a_grid_may_be_a_function() -> None:
    steep = partial(curves.by_sigma, curve=partial(curves.karras, rho=3.0))
    assert resolve("euler", steep).levels(6) == steep(SD, 6)
    bent = curves.polyexponential(10, 0.1, 5, rho=2.0)
    assert bent[0] == pytest.approx(10) and bent[-1] == pytest.approx(0.1)
    assert bent[1] < curves.exponential(10, 0.1, 5)[1]


def test_the_beta_quantile_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    for a, b in ((0.6, 0.6), (0.3, 3.0), (1.0, 1.0), (2.5, 0.5)):
        for p in np.linspace(0, 1, 41):
            assert special.beta_quantile(float(p), a, b) == pytest.approx(stats.beta.ppf(p, a, b), rel=1e-12, abs=1e-15)
    with pytest.raises(ValueError, match="probability"):
        special.beta_quantile(1.5, 0.6, 0.6)
    assert special.beta_share(0.0, 1, 2) == 0 and special.beta_share(1.0, 1, 2) == 1


def test_distilled_steps_are_those_that_were_taught() -> None:
    assert [level.t for level in grids.distilled(SD, 4)[:-1]] == [999, 759, 499, 259]
    with pytest.raises(ValueError, match="1 to 50"):
        grids.distilled(SD, 51)
    assert len(grids.distilled(SD, 100, of=100)) == 101
