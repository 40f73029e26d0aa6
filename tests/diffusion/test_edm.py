"""EDM models: levels, units and reading against diffusers' loops and against Karras's formulas."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from fake_unet import START, draws, oracle, raw
from torch import Tensor

from sukashi.diffusion.denoiser import read
from sukashi.diffusion.edm import COUNT_STEPS, EDMSchedule, in_data_units
from sukashi.diffusion.from_config import plan_from_config
from sukashi.diffusion.names import resolve
from sukashi.diffusion.registry import GRIDS, SAMPLERS
from sukashi.diffusion.types import Denoise, Level, Prediction

X0 = torch.randn(1, 4, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
EULER, MULTISTEP = "EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"
SDE = {"algorithm_type": "sde-dpmsolver++"}
CASES: list[tuple[str, dict[str, Any]]] = [
    (EULER, {}),
    (EULER, {"sigma_schedule": "exponential", "sigma_min": 0.02, "sigma_max": 120.0, "sigma_data": 1.0}),
    (EULER, {"final_sigmas_type": "sigma_min", "rho": 5.0}),
    (MULTISTEP, {"sigma_data": 0.7}),
    (MULTISTEP, {"solver_order": 3, "solver_type": "heun"}),
    (MULTISTEP, {"final_sigmas_type": "sigma_min", "lower_order_final": False}),
    (MULTISTEP, {"sigma_schedule": "exponential", "euler_at_final": True}),
    (MULTISTEP, SDE),
    (MULTISTEP, {"thresholding": True, "sample_max_value": 2.0, "dynamic_thresholding_ratio": 0.8}),
]


def network(predicts: str) -> Denoise:
    """The stand-in for a U-Net, read as the pipelines read it."""
    return lambda x, level: read(raw(x, 250 * level.t), x, level, predicts)


def theirs(name: str, config: dict[str, Any], n: int) -> Tensor:
    """The loop of diffusers' pipelines; ends as theirs does."""
    scheduler = getattr(pytest.importorskip("diffusers"), name)(**config)
    scheduler.set_timesteps(n)
    x, generator = START * scheduler.init_noise_sigma, torch.Generator().manual_seed(5)
    for t in scheduler.timesteps:
        out = raw(scheduler.scale_model_input(x, t), 250 * float(t))
        x = scheduler.step(out, t, x, generator=generator).prev_sample
    return x


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_a_config_samples_as_in_diffusers(name: str, options: dict[str, Any], kind: str) -> None:
    config = {"prediction_type": kind, **options}
    plan = plan_from_config({**config, "_class_name": name})
    for n in (8, 20, 50):
        levels = plan.levels(n)
        assert plan.start_scale(levels) == 1
        *_, step = plan.run(network(plan.schedule.predicts), START.double(), levels, draws(START.double()))
        reference = theirs(name, config, n)
        ours = step.x_next / step.to.alpha
        assert (ours - reference).abs().max() < 1e-4 * max(1, reference.abs().max().item()), f"{n} steps"


@pytest.mark.parametrize("sigma_data", [0.5, 1.0, 1.7])
def test_the_wrapper_is_karras_preconditioning(sigma_data: float) -> None:
    """Karras et al. 2022, table 1: what the network sees, what it is told, and what its output means."""
    schedule = EDMSchedule({"sigma_data": sigma_data})
    seen: list[tuple[Tensor, Level]] = []
    answer = torch.tanh(START.double())

    def denoise(x: Tensor, level: Level) -> Prediction:
        seen.append((x, level))
        return read(answer, x, level, schedule.predicts, said=answer)

    for sigma in (0.002, 0.3, 80.0):
        noisy = X0 + sigma * START.double()
        level = schedule.at_ve(sigma)
        p = in_data_units(sigma_data)(denoise)(noisy * level.alpha, level)
        scale = math.hypot(sigma, sigma_data)
        torch.testing.assert_close(seen[-1][0], noisy / scale)
        assert seen[-1][1].t == pytest.approx(math.log(sigma) / 4)
        torch.testing.assert_close(p.x0, noisy * (sigma_data / scale) ** 2 + answer * sigma * sigma_data / scale)
        torch.testing.assert_close(p.eps, (noisy - p.x0) / sigma)
        assert p.parts["said"] is answer


@pytest.mark.parametrize("grid", [*GRIDS, None])
@pytest.mark.parametrize("name", [name for name in SAMPLERS if name not in COUNT_STEPS])
def test_a_model_that_knows_the_picture_draws_it(name: str, grid: str | None) -> None:
    """Inside, the model has the picture in units of sigma_data; outside it is the picture itself."""
    plan = resolve(name, grid, {"_class_name": MULTISTEP})
    for n in (1, 2, 3, 8):
        levels = plan.levels(n)
        assert len(levels) == n + 1
        *_, step = plan.run(oracle(X0 / 0.5), START.double(), levels, draws(START.double()))
        assert (step.x_next - X0).abs().max() < (1e-6 if name in ("plms", "ipndm") else 1e-9), f"{n} steps"


def test_levels() -> None:
    schedule = EDMSchedule({"sigma_min": 0.01, "sigma_max": 50.0})
    assert schedule.at(0).ve == pytest.approx(0.01) and schedule.at(999).ve == pytest.approx(50)
    assert schedule.at(10).ve < schedule.at(10.5).ve < schedule.at(11).ve
    assert schedule.at_ve(0).sigma == 0
    for wrong in (-1, 1000):
        with pytest.raises(ValueError, match="outside the steps 0 to 999"):
            schedule.at(wrong)
    with pytest.raises(ValueError, match="not a noise level"):
        schedule.at_ve(-0.1)
    for key, value in (("sigma_schedule", "linear"), ("prediction_type", "sample"), ("algorithm_type", "dpmsolver")):
        with pytest.raises(ValueError, match=f"{key}={value!r} is not supported"):
            plan_from_config({"_class_name": MULTISTEP, key: value})
