"""From a picture to its noise and back: against diffusers' inverse classes, and how far a round trip misses."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from fake_unet import SD, START, diffusers_sample, fake_denoiser, oracle
from torch import Tensor

from sukashi.diffusion.from_config import plan_from_config
from sukashi.diffusion.inversion import invert, nothing
from sukashi.diffusion.names import resolve
from sukashi.diffusion.types import CLEAN

PICTURE = torch.linspace(-1, 1, START.numel(), dtype=torch.float64).view(START.shape)
LEADING, TRAILING = {"timestep_spacing": "leading"}, {"timestep_spacing": "trailing"}
UNCLIPPED = {"clip_sample": False, "set_alpha_to_one": False}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("DDIMInverseScheduler", UNCLIPPED),
    ("DDIMInverseScheduler", {"clip_sample": False}),
    ("DDIMInverseScheduler", {**TRAILING, **UNCLIPPED}),
    ("DDIMInverseScheduler", {"clip_sample": True, "clip_sample_range": 0.7}),
    ("DPMSolverMultistepInverseScheduler", {}),
    ("DPMSolverMultistepInverseScheduler", LEADING),
    ("DPMSolverMultistepInverseScheduler", TRAILING),
    ("DPMSolverMultistepInverseScheduler", {"use_karras_sigmas": True}),
    ("DPMSolverMultistepInverseScheduler", {"use_exponential_sigmas": True}),
    ("DPMSolverMultistepInverseScheduler", {"use_beta_sigmas": True}),
    ("DPMSolverMultistepInverseScheduler", {"solver_order": 3}),
    ("DPMSolverMultistepInverseScheduler", {"solver_order": 3, "lower_order_final": False, "solver_type": "heun"}),
    ("DPMSolverMultistepInverseScheduler", {"algorithm_type": "dpmsolver", "euler_at_final": True}),
    ("DPMSolverMultistepInverseScheduler", {"thresholding": True}),
]


def gap(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_walking_up_is_diffusers(name: str, options: dict[str, Any], kind: str) -> None:
    diffusers = pytest.importorskip("diffusers")
    config = {**SD, "prediction_type": kind, **options}
    plan = plan_from_config({**config, "_class_name": name})
    for n in (8, 20, 50):
        levels = plan.levels(n)
        if options.get("timestep_spacing") == "trailing" and 1000 % n:
            continue  # theirs starts each step beside where the last one ended
        if len({level.t for level in levels[:-1]}) < n:
            continue  # theirs drops repeated timesteps, but not their sigmas
        *_, step = plan.run(fake_denoiser(kind), PICTURE, levels, nothing)
        reference = diffusers_sample(getattr(diffusers, name)(**config), n, x=PICTURE.float())
        assert gap(step.x_next, reference) < 1e-4 * max(1, reference.abs().max().item()), f"{n} steps"


@pytest.mark.parametrize("grid", ["leading", "trailing", "karras", "ays"])
@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_a_round_trip_comes_back_the_closer_the_more_steps(grid: str, kind: str) -> None:
    plan = resolve("ddim", grid, {**SD, "prediction_type": kind, "set_alpha_to_one": True})
    missed = []
    for n in (10, 40, 160):
        levels = plan.levels(n)
        steps = list(invert(fake_denoiser(kind), PICTURE, levels))
        assert [step.to.ve for step in steps] == [level.ve for level in levels[-2::-1]]
        assert steps[0].now._replace(t=0.0) == CLEAN
        assert all(torch.equal(a.x_next, b.x) for a, b in pairwise(steps))
        *_, back = plan.run(fake_denoiser(kind), steps[-1].x_next, levels, nothing)
        missed.append(gap(back.x_next, PICTURE))
    assert missed[0] > 2 * missed[1] > 4 * missed[2] > 0, missed


def test_a_model_that_knows_the_picture_comes_back_exactly() -> None:
    """Its path is a straight line, on which no step is too long."""
    plan = resolve("ddim", "trailing", {"set_alpha_to_one": False})
    levels = plan.levels(3)
    truth = torch.tanh(START.double())
    x = levels[-1].alpha * truth + levels[-1].sigma * START.double()
    *_, top = invert(oracle(truth), x, levels)
    assert gap(top.x_next, levels[0].alpha * truth + levels[0].sigma * START.double()) < 1e-9
    *_, back = plan.run(oracle(truth), top.x_next, levels, nothing)
    assert gap(back.x_next, x) < 1e-9


def test_an_inversion_draws_no_noise() -> None:
    with pytest.raises(RuntimeError, match="draws no noise"):
        nothing()
