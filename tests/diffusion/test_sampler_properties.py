"""What must hold for every sampler, every grid and every number of steps, whatever the model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from fake_unet import START, draws, fake_denoiser, oracle, sample
from torch import Tensor

from sukashi.diffusion import multistep, pndm
from sukashi.diffusion.names import resolve
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.registry import GRIDS, SAMPLERS
from sukashi.diffusion.sa_solver import adams_weights, sa_solver
from sukashi.diffusion.schedule import level
from sukashi.diffusion.types import Denoise, Level, Prediction, Step

CLEAN_END = {"set_alpha_to_one": True}
ZERO_SNR = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", **CLEAN_END}
STEPS = (1, 2, 3, 8, 20)
X0 = torch.randn(1, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(8))


def last(plan: Plan, n: int, denoise: Denoise, first: int = 0) -> tuple[Tensor, list[Level]]:
    """The last x of a run that ends clean, and its levels."""
    levels = plan.levels(n)
    levels[-1] = levels[-1]._replace(t=0.0, alpha=1.0, sigma=0.0)
    x = START.double() * plan.start_scale(levels)
    *_, step = plan.run(denoise, x, levels, draws(x), first)
    return step.x_next, levels


def allowed(plan: Plan, levels: list[Level]) -> float:
    """How far from x0 a perfect model may end: nowhere, but LCM mixes x in near t = 0 (its boundary condition).

    And differences of eps, taken from sigma 4096 on, are ill-conditioned however they are computed.
    """
    if plan.sampler != "lcm":
        return 1e-4 if plan.sampler in ("plms", "pndm", "ipndm") and levels[0].ve > 1000 else 1e-9
    t = 10 * levels[-2].t
    return 1.01 * (0.25 / (t * t + 0.25) * 6 + (1 - t / math.hypot(t, 0.5)) * 6) + 1e-9


@pytest.mark.parametrize("config", [CLEAN_END, ZERO_SNR], ids=["usual", "zero_snr"])
@pytest.mark.parametrize("grid", [*GRIDS, None])
@pytest.mark.parametrize("name", SAMPLERS)
def test_a_model_that_knows_the_picture_draws_it(name: str, grid: str | None, config: dict[str, Any]) -> None:
    steps = STEPS
    if name in ("plms", "pndm") and config is ZERO_SNR:
        # of a v model diffusers averages v over levels, and so do we, which does not have this property
        config, steps = {**config, "prediction_type": "sample"}, (1, 8, 20)
    plan = resolve(name, grid, config)
    for n in steps:
        x, levels = last(plan, n, oracle(X0))
        assert (x - X0).abs().max() <= allowed(plan, levels), f"{n} steps"
        assert len(levels) == n + 1
        assert all(a.ve > b.ve or a == b for a, b in pairwise(levels)), f"{n} steps"


@pytest.mark.parametrize("grid", [*GRIDS, None])
@pytest.mark.parametrize("name", SAMPLERS)
def test_nothing_is_ever_undefined(name: str, grid: str | None) -> None:
    """Not with few steps, not without signal, and not in float32, whatever the model says."""
    for config in ({}, ZERO_SNR):
        plan = resolve(name, grid, config)
        for n in (1, 2, 5):
            levels = plan.levels(n)
            for step in plan.run(fake_denoiser(plan.schedule.predicts), START, levels, draws(START)):
                assert torch.isfinite(step.x_next).all(), f"{n} steps, t {step.now.t}"
                assert step.x_next.dtype == torch.float32


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_model_is_called_as_often_as_the_plan_says(name: str) -> None:
    plan = resolve(name, "distilled" if name in ("lcm", "tcd") else "trailing", CLEAN_END)
    calls: list[float] = []

    def counted(x: Tensor, level: Level) -> Prediction:
        calls.append(level.t)
        return oracle(X0)(x, level)

    for n in STEPS:
        calls.clear()
        last(plan, n, counted)
        assert len(calls) == plan.calls(n), f"{n} steps"


@pytest.mark.parametrize("name", SAMPLERS)
def test_steps_join_up(name: str) -> None:
    """Each step starts where the one before ended, every level is visited, and breaking off early costs nothing."""
    plan = resolve(name, None, CLEAN_END)
    levels = plan.levels(6)
    steps = list(plan.run(fake_denoiser("epsilon"), START.double(), levels, draws(START.double())))
    assert [step.to for step in steps] == levels[1:]
    assert [step.now for step in steps] == levels[:-1]
    assert all(torch.equal(a.x_next, b.x) for a, b in pairwise(steps))
    first_two = plan.run(fake_denoiser("epsilon"), START.double(), levels, draws(START.double()))
    assert all(torch.equal(next(first_two).x_next, step.x_next) for step in steps[:2])


@pytest.mark.parametrize("name", SAMPLERS)
def test_fresh_noise_is_drawn_if_and_only_if_the_plan_says_so(name: str) -> None:
    plan = resolve(name, None, CLEAN_END)
    drawn = []

    def noise() -> Tensor:
        drawn.append(1)
        return torch.zeros_like(START)

    list(plan.run(oracle(X0), START.double(), plan.levels(5), noise))
    assert bool(drawn) == plan.stochastic == SAMPLERS[name].noisy


@pytest.mark.parametrize("name", ["ddim", "euler_a", "dpm2_a", "dpmpp_2s_a", "dpmpp_sde", "dpmpp_2m_sde", "tcd"])
def test_without_eta_nothing_is_random(name: str) -> None:
    plan = resolve(name, None, CLEAN_END, eta=0.0)
    assert not plan.stochastic
    list(plan.run(oracle(X0), START.double(), plan.levels(5), lambda: torch.full_like(START, torch.nan)))
    assert torch.isfinite(sample(plan, 5)).all()


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_samplers_that_are_the_same_line(kind: str) -> None:
    """DDIM is Euler and so is order 1 of the multistep methods; DDIM at eta 1 is Euler a and DDPM."""
    config = {"prediction_type": kind, **CLEAN_END}
    for grid in ("trailing", "karras"):
        euler, ancestral = resolve("euler", grid, config), resolve("euler_a", grid, config)
        start = START.double() * euler.start_scale(euler.levels(12))
        expected, noisy = sample(euler, 12, x=start), sample(ancestral, 12, x=start)
        assert torch.allclose(sample(resolve("ddim", grid, config), 12, x=start), expected, atol=1e-9)
        assert torch.allclose(sample(resolve("dpmpp_2m", grid, config, order=1), 12, x=start), expected, atol=1e-9)
        assert torch.allclose(sample(resolve("lms", grid, config, order=1), 12, x=start), expected, atol=1e-9)
        assert torch.allclose(sample(resolve("ddim", grid, config, eta=1.0), 12, x=start), noisy, atol=1e-9)
        assert torch.allclose(sample(resolve("ddpm", grid, config), 12, x=start), noisy, atol=1e-9)


def test_deis_of_order_one_is_euler_until_the_noise_it_ends_with() -> None:
    deis, euler = resolve("deis", "karras", CLEAN_END, order=1), resolve("euler", "karras", CLEAN_END)
    start = START.double()
    assert torch.allclose(sample(deis, 12, x=start), sample(euler, 12, x=start), atol=1e-9)
    assert resolve("deis").levels(5)[-1] == deis.schedule.at(0)


def test_unipc_without_its_corrector_is_dpmpp_2m() -> None:
    for grid in ("trailing", "karras"):
        free = resolve("unipc", grid, CLEAN_END, disable_corrector=range(20))
        assert torch.allclose(sample(free, 12), sample(resolve("dpmpp_2m", grid, CLEAN_END), 12, x=START.double()))
        assert not torch.allclose(sample(free, 12), sample(resolve("unipc", grid, CLEAN_END), 12), atol=1e-3)


def test_higher_orders_converge_faster() -> None:
    """On a smooth model a second-order method with 40 steps beats Euler with 40."""
    config = {"prediction_type": "v_prediction", **CLEAN_END}

    def error(name: str, **options: Any) -> float:
        plan = resolve(name, "trailing", config, **options)
        start = START.double()
        return (sample(plan, 40, x=start) - truth).abs().max().item()

    truth = sample(resolve("dpmpp_2m", "trailing", config, order=3), 1000, x=START.double())
    euler, levels = error("euler"), resolve("plms", "trailing", config).levels(40)
    for name in ("heun", "dpm2", "lms", "dpmpp_2m", "dpmpp_2s", "unipc", "ipndm"):
        assert error(name) < euler / 2, name
    *_, step = pndm.plms(fake_denoiser("v_prediction"), START.double(), levels, draws(START), average_v=False)
    assert (step.x_next - truth).abs().max() < euler / 2
    assert error("plms") > euler / 2, "averaging v, as diffusers does, has no second order"


def test_both_halves_of_sa_solver_have_their_order() -> None:
    """Twice as many steps, even in log-SNR, divide the error by 2 to the order, which the first step limits to 2."""

    def end(n: int, solver: Callable[..., Iterator[Step]], **orders: Any) -> Tensor:
        levels = [level(500 - 5 * ve, ve) for ve in np.geomspace(10, 0.1, n + 1).tolist()]
        *_, step = solver(fake_denoiser("v_prediction"), START.double(), levels, draws(START), **orders)
        return step.x_next

    truth = end(2000, multistep.dpmpp, order=3, lower_order_final=False)
    for predictor, corrector, order in ((1, 0, 1), (2, 0, 2), (1, 2, 2), (3, 3, 2)):
        for of_noise in (False, True):
            options = {"predictor_order": predictor, "corrector_order": corrector, "of_noise": of_noise, "tau": 0.0}
            coarse, fine = (
                (end(n, sa_solver, lower_order_final=False, **options) - truth).abs().max().item() for n in (40, 80)
            )
            assert math.log2(coarse / fine) > order - 0.35, f"{options}: {coarse:.2e}, {fine:.2e}"


@pytest.mark.parametrize(
    "nodes", [[0.0], [1.0], [0.0, -0.7], [1.0, 0.0, -0.7], [0.0, -0.7, -1.9], [0.0, -1.0, -2.0, -3.5]]
)
@pytest.mark.parametrize("g", [1.7, 0.2, -0.9])
def test_sa_solver_integrates_polynomials_exactly(nodes: list[float], g: float) -> None:
    degree = len(nodes) - 1
    s = (np.arange(20_000) + 0.5) / 20_000
    expected = np.mean(g * np.exp(-g * (1 - s)) * (2 - s**degree))
    weights = adams_weights(nodes, g, rounded=False)
    assert sum(w * (2 - node**degree) for w, node in zip(weights, nodes, strict=True)) == pytest.approx(expected)
    if degree == 1:
        slope = adams_weights(nodes, g, rounded=True)[1] * (nodes[1] - nodes[0])
        assert slope == pytest.approx(g / 2), "the authors' order 2, for nodes that begin at 0"


def test_churn_keeps_the_noise_level() -> None:
    """Euler with churn goes up to a level and down from there: a perfect model still draws its picture."""
    plan = resolve("euler", "karras", CLEAN_END, s_churn=10.0)
    assert plan.stochastic
    levels = plan.levels(8)
    x0 = torch.zeros(1, 4, 64, 64, dtype=torch.float64)
    x = torch.randn(x0.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def steps() -> Iterator[tuple[float, float]]:
        for step in plan.run(oracle(x0), x * levels[0].sigma, levels, draws(x)):
            yield step.x.std().item() / step.now.sigma, step.now.ve

    measured = list(steps())
    assert all(abs(ratio - 1) < 0.03 for ratio, _ in measured)
    assert all(ve > level.ve for (_, ve), level in zip(measured, levels, strict=False))


def test_a_second_thread_changes_nothing() -> None:
    """Samplers keep nothing outside: two interleaved runs are two single runs."""
    plan = resolve("unipc", "karras", CLEAN_END)
    levels = plan.levels(6)
    runs = [plan.run(fake_denoiser("epsilon"), x, levels, draws(x)) for x in (START.double(), -START.double())]
    *_, ends = zip(*runs, strict=True)
    assert torch.equal(ends[0].x_next, sample(plan, 6, x=START.double()))
    assert torch.equal(ends[1].x_next, sample(plan, 6, x=-START.double()))


def test_singlestep_orders_fill_any_number_of_steps() -> None:
    clean, noisy = Level(0.0, 1.0, 0.0), Level(0.0, 0.8, 0.6)
    for n in range(1, 20):
        for order in (1, 2, 3):
            for final in (True, False):
                orders = multistep.singlestep_orders(n, order, final, noisy)
                assert len(orders) == n
                assert all(b <= a + 1 for a, b in pairwise([0, *orders]))
            assert multistep.singlestep_orders(n, order, True, clean)[-1] == 1
