"""Noise schedules from scheduler configs: the numbers of diffusers, and what is refused."""

from __future__ import annotations

import inspect
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sukashi.diffusion.edm import EDMSchedule
from sukashi.diffusion.from_config import plan_from_config
from sukashi.diffusion.ipndm import SineSchedule
from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.scheduler_config import ACCEPTED, DEFAULTS, SCHEDULE
from sukashi.diffusion.types import CLEAN

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers' own

BETAS: list[dict[str, Any]] = [
    {},
    {"beta_schedule": "linear"},
    {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012},
    {"beta_schedule": "squaredcos_cap_v2"},
    {"trained_betas": [0.01 + 0.001 * i for i in range(50)], "num_train_timesteps": 50},
    {"num_train_timesteps": 1100},
]


@pytest.mark.parametrize("name", DEFAULTS)
def test_the_defaults_are_diffusers(name: str) -> None:
    diffusers = pytest.importorskip("diffusers")
    parameters = inspect.signature(getattr(diffusers, name).__init__).parameters
    assert DEFAULTS[name] == {key: p.default for key, p in parameters.items() if key not in ("self", "kwargs")}


@pytest.mark.parametrize("zero_snr", [False, True])
@pytest.mark.parametrize("betas", BETAS, ids=["default", "linear", "scaled", "cosine", "trained", "longer"])
@pytest.mark.parametrize("name", [name for name in DEFAULTS if "beta_start" in DEFAULTS[name]])
def test_alpha_bar_is_diffusers_to_the_bit(name: str, betas: dict[str, Any], zero_snr: bool) -> None:
    diffusers = pytest.importorskip("diffusers")
    zero_snr = zero_snr and "rescale_betas_zero_snr" in DEFAULTS[name]
    config = {**betas, **({"rescale_betas_zero_snr": True} if zero_snr else {})}
    ours = NoiseSchedule({**config, "_class_name": name})
    assert (ours.signal == getattr(diffusers, name)(**config).alphas_cumprod.double().numpy()).all()
    assert ours.steps == len(ours.signal) == len(ours.ve)


def test_stable_diffusion_is_the_default() -> None:
    """The noisiest and the cleanest step of Stable Diffusion, as everyone knows them."""
    schedule = NoiseSchedule()
    assert schedule.ve[-1] == pytest.approx(14.6146, abs=1e-3)
    assert schedule.ve[0] == pytest.approx(0.02917, abs=1e-4)
    assert (schedule.steps, schedule.predicts, schedule.offset) == (1000, "epsilon", 1)
    assert schedule.final == schedule.at(0)
    assert NoiseSchedule({"set_alpha_to_one": True}).final is CLEAN


def test_levels_are_variance_preserving_and_agree_both_ways() -> None:
    schedule = NoiseSchedule()
    for t in (0, 1, 0.25, 400, 998.7, 999):
        level = schedule.at(t)
        assert level.alpha**2 + level.sigma**2 == pytest.approx(1, abs=1e-12)
        assert schedule.at_ve(level.ve).t == pytest.approx(t, abs=0.05), "there in log sigma, here in sigma"
        assert schedule.at(t, log=True).ve == pytest.approx(level.ve, rel=0.02)
    assert schedule.at(399.5).ve == pytest.approx((schedule.ve[399] + schedule.ve[400]) / 2)
    assert schedule.at(399.5, log=True).ve == pytest.approx(math.sqrt(schedule.ve[399] * schedule.ve[400]))
    assert schedule.at_ve(0) is CLEAN
    assert (schedule.at_ve(1e9).t, schedule.at_ve(1e-9).t) == (999, 0)


@pytest.mark.parametrize("t", [-1, 999.5, 1000, math.nan])
def test_a_step_outside_the_training_is_refused(t: float) -> None:
    with pytest.raises(ValueError, match="outside the training steps 0 to 999"):
        NoiseSchedule().at(t)


@pytest.mark.parametrize("ve", [-0.1, math.nan])
def test_a_sigma_that_is_none_is_refused(ve: float) -> None:
    with pytest.raises(ValueError, match="not a noise level"):
        NoiseSchedule().at_ve(ve)


def test_zero_terminal_snr() -> None:
    """Exactly no signal where the class can start there; sigma 4096 where it divides by the signal."""
    config = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    exact = NoiseSchedule({**config, "_class_name": "DDIMScheduler"})
    assert exact.signal[-1] == 0
    assert exact.at(999) == (999.0, 0.0, 1.0)
    assert exact.at(999).ve == math.inf and exact.at(999).log_snr == -math.inf
    assert exact.at(998.5).alpha == 0, "no signal is nearer than any signal"
    assert exact.at_ve(1e6).t < 999
    for name in ("EulerDiscreteScheduler", "DPMSolverMultistepScheduler", "HeunDiscreteScheduler"):
        assert NoiseSchedule({**config, "_class_name": name}).ve[-1] == pytest.approx(4096, rel=1e-6)
    assert NoiseSchedule(config, finite_sigma=True).ve[-1] == pytest.approx(4096, rel=1e-6)
    assert np.allclose(exact.signal[0], NoiseSchedule({"_class_name": "DDIMScheduler"}).signal[0])


def test_a_noise_predictor_without_signal_is_refused() -> None:
    plan = plan_from_config(
        {"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    )
    with pytest.raises(ValueError, match="v_prediction"):
        plan.levels(10)


REFUSED = [
    ("DDIMScheduler", "prediction_type", "flow_prediction"),
    ("DDIMScheduler", "beta_schedule", "sigmoid"),
    ("DDPMScheduler", "variance_type", "learned_range"),
    ("EulerDiscreteScheduler", "timestep_type", "continuous"),
    ("EulerDiscreteScheduler", "interpolation_type", "log_linear"),
    ("EulerDiscreteScheduler", "timestep_spacing", "other"),
    ("DPMSolverMultistepScheduler", "algorithm_type", "sde-dpmsolver"),
    ("DPMSolverMultistepScheduler", "use_flow_sigmas", True),
    ("DPMSolverMultistepScheduler", "solver_order", 4),
    ("DPMSolverMultistepScheduler", "lambda_min_clipped", -5.1),
    ("DPMSolverSDEScheduler", "noise_sampler_seed", 3),
    ("UniPCMultistepScheduler", "solver_p", "x"),
]


@pytest.mark.parametrize(("name", "key", "value"), REFUSED)
def test_a_value_we_do_not_honour_is_refused_by_name(name: str, key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{key}={value!r}"):
        plan_from_config({"_class_name": name, key: value})


def test_every_key_is_refused_or_changes_something() -> None:
    """Of each class's keys: those not in the table of accepted values are honoured, so all are read somewhere."""
    source = "\n".join(
        inspect.getsource(inspect.getmodule(thing) or thing)
        for thing in (NoiseSchedule, EDMSchedule, SineSchedule, plan_from_config)
    )
    unread = {key for own in DEFAULTS.values() for key in own if f'"{key}"' not in source and key not in ACCEPTED}
    assert unread == {"flow_shift", "time_shift_type"}, "these mean nothing without use_flow_sigmas"


def test_keys_of_other_classes_are_left_unread_and_unknown_ones_refused() -> None:
    euler = {"_class_name": "EulerAncestralDiscreteScheduler", "_diffusers_version": "0.42.1"}
    plan = plan_from_config({**euler, "use_karras_sigmas": True, "solver_order": 9, "clip_sample": True})
    assert plan.grid == "linspace" and plan.clip is None
    assert plan_from_config({**euler, "some_new_switch": False, "other": None})
    with pytest.raises(ValueError, match=r"unknown key some_new_switch=True"):
        plan_from_config({**euler, "some_new_switch": True})
    with pytest.raises(ValueError, match="only one of"):
        plan_from_config({"_class_name": "HeunDiscreteScheduler", "use_karras_sigmas": True, "use_beta_sigmas": True})
    with pytest.raises(ValueError, match=r"'FlowMatchEulerDiscreteScheduler' is not supported; known: DDIM"):
        plan_from_config({"_class_name": "FlowMatchEulerDiscreteScheduler"})
    with pytest.raises(ValueError, match="_class_name"):
        plan_from_config({"beta_start": 0.1})
    with pytest.raises(ValueError, match="dpmsolver"):
        plan_from_config({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver"})


def test_zero_snr_is_the_models_and_honoured_under_every_class() -> None:
    """diffusers drops it silently where the class has no such key."""
    assert "rescale_betas_zero_snr" not in DEFAULTS["HeunDiscreteScheduler"]
    plan = plan_from_config({"_class_name": "HeunDiscreteScheduler", "rescale_betas_zero_snr": True})
    assert plan.levels(5)[0].ve == pytest.approx(4096, rel=1e-6)


def test_every_scheduler_file_at_hand_is_read(shared_data: Path) -> None:
    files = sorted(shared_data.glob("**/scheduler_config.json"))
    assert len(files) > 10
    for file in files:
        config = json.loads(file.read_text())
        levels = plan_from_config(config).levels(20)
        assert len(levels) == 21
        assert NoiseSchedule(config).config["beta_start"] == config.get("beta_start", SCHEDULE["beta_start"])
