"""Names: every spelling finds its sampler and schedule; unknown ones are answered with the known ones."""

from __future__ import annotations

import re

import pytest

from sukashi.diffusion.from_config import INVERSE, plan_from_config
from sukashi.diffusion.names import plain, resolve
from sukashi.diffusion.registry import GRIDS, SAMPLERS
from sukashi.diffusion.scheduler_config import DEFAULTS

A1111 = {
    "DPM++ 2M": "dpmpp_2m",
    "DPM++ SDE": "dpmpp_sde",
    "DPM++ 2M SDE": "dpmpp_2m_sde",
    "DPM++ 2M SDE Heun": "dpmpp_2m_sde_heun",
    "DPM++ 2S a": "dpmpp_2s_a",
    "DPM++ 3M SDE": "dpmpp_3m_sde",
    "Euler a": "euler_a",
    "Euler": "euler",
    "LMS": "lms",
    "Heun": "heun",
    "DPM2": "dpm2",
    "DPM2 a": "dpm2_a",
    "DDIM": "ddim",
    "PLMS": "plms",
    "UniPC": "unipc",
    "LCM": "lcm",
}
K_DIFFUSION = {
    "sample_euler": "euler",
    "sample_euler_ancestral": "euler_a",
    "sample_heun": "heun",
    "sample_dpm_2": "dpm2",
    "sample_dpm_2_ancestral": "dpm2_a",
    "sample_lms": "lms",
    "sample_dpmpp_2s_ancestral": "dpmpp_2s_a",
    "sample_dpmpp_sde": "dpmpp_sde",
    "sample_dpmpp_2m": "dpmpp_2m",
    "sample_dpmpp_2m_sde": "dpmpp_2m_sde",
    "sample_dpmpp_3m_sde": "dpmpp_3m_sde",
    "k_euler_a": "euler_a",
    "k_euler_ancestral": "euler_a",
    "k_lms": "lms",
    "k_dpm_2_a": "dpm2_a",
    "k_dpmpp_2m": "dpmpp_2m",
    "k_dpmpp_2m_sde": "dpmpp_2m_sde",
    "k_dpmpp_2s_a": "dpmpp_2s_a",
    "dpmpp_2m": "dpmpp_2m",
    "uni_pc": "unipc",
    "uni_pc_bh2": "unipc",
    "dpmpp_2m_sde_gpu": "dpmpp_2m_sde",
    "kdpm_2": "dpm2",
    "kdpm_2_a": "dpm2_a",
    "pndm": "pndm",
    "tcd": "tcd",
    "deis": "deis",
    "sa_solver": "sa_solver",
    "SA Solver": "sa_solver",
    "SASolver": "sa_solver",
    "ipndm": "ipndm",
    "ddpm": "ddpm",
}
WITH_SCHEDULE = {
    "DPM++ 2M Karras": ("dpmpp_2m", "karras"),
    "DPM++ SDE Karras": ("dpmpp_sde", "karras"),
    "DPM++ 2M SDE Exponential": ("dpmpp_2m_sde", "exponential"),
    "DPM++ 2M SDE Karras": ("dpmpp_2m_sde", "karras"),
    "DPM++ 2M SDE Heun Karras": ("dpmpp_2m_sde_heun", "karras"),
    "DPM++ 2M SDE Heun Exponential": ("dpmpp_2m_sde_heun", "exponential"),
    "DPM++ 3M SDE Exponential": ("dpmpp_3m_sde", "exponential"),
    "DPM++ 2S a Karras": ("dpmpp_2s_a", "karras"),
    "LMS Karras": ("lms", "karras"),
    "DPM2 a Karras": ("dpm2_a", "karras"),
    "Euler a SGM Uniform": ("euler_a", "sgm_uniform"),
    "Euler Align Your Steps": ("euler", "ays"),
    "Euler Polyexponential": ("euler", "polyexponential"),
    "k_dpmpp_2m_ka": ("dpmpp_2m", "karras"),
    "k_dpmpp_2m_sde_exp": ("dpmpp_2m_sde", "exponential"),
    "dpmpp_2m_k": ("dpmpp_2m", "karras"),
    "heun_k": ("heun", "karras"),
    "dpm++2m karras": ("dpmpp_2m", "karras"),
}
SCHEDULES = {
    "Uniform": "uniform",
    "Karras": "karras",
    "Exponential": "exponential",
    "Polyexponential": "polyexponential",
    "SGM Uniform": "sgm_uniform",
    "SGMUniform": "sgm_uniform",
    "KL Optimal": "kl_optimal",
    "Align Your Steps": "ays",
    "align_your_steps": "ays",
    "Simple": "simple",
    "Normal": "normal",
    "DDIM": "ddim_uniform",
    "ddim_uniform": "ddim_uniform",
    "Beta": "beta",
}


@pytest.mark.parametrize("name", [*A1111, *K_DIFFUSION])
def test_a_name_finds_its_sampler(name: str) -> None:
    expected = {**A1111, **K_DIFFUSION}[name]
    for spelling in (name, name.upper(), name.lower(), name.replace(" ", "_"), name.replace("_", " "), f" {name} "):
        plan = resolve(spelling)
        assert SAMPLERS[plan.sampler].walk is SAMPLERS[expected].walk
        assert plan.sampler == expected


@pytest.mark.parametrize("name", WITH_SCHEDULE)
def test_a_name_with_a_schedule_finds_both(name: str) -> None:
    assert (resolve(name).sampler, resolve(name).grid) == WITH_SCHEDULE[name]
    assert resolve(name, "automatic").grid == WITH_SCHEDULE[name][1]
    assert resolve(name, "simple").grid == "simple"


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_finds_its_grid(name: str) -> None:
    for spelling in (name, name.upper(), name.replace(" ", "_")):
        assert resolve("euler", spelling).grid == SCHEDULES[name]


def test_keys_and_labels_are_names() -> None:
    for key, sampler in SAMPLERS.items():
        assert resolve(key).sampler == resolve(sampler.label).sampler == key
        assert resolve(key, "Automatic").grid == sampler.automatic
    for key in GRIDS:
        assert resolve("euler", key).grid == key


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name not in INVERSE])
def test_a_class_name_reads_the_whole_config(name: str) -> None:
    plan = resolve(name, None, {"prediction_type": "v_prediction", "steps_offset": 1})
    assert plan.schedule.predicts == "v_prediction"
    assert resolve(name.lower()).sampler == plan.sampler
    assert len(resolve(name, "karras").levels(5)) == 6


@pytest.mark.parametrize("name", INVERSE)
def test_a_class_that_walks_up_is_no_sampler(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} walks from a picture to noise"):
        resolve(name)
    with pytest.raises(ValueError, match=f"{name} walks up its own grid, one of leading, linspace, trailing"):
        plan_from_config({"_class_name": name}, grid="karras")


def test_a_class_must_know_the_noise_of_the_model() -> None:
    """Another schedule would be read from its defaults, and draw something else."""
    playground = {"_class_name": "EDMDPMSolverMultistepScheduler", "sigma_max": 40.0, "solver_order": 3}
    with pytest.raises(ValueError, match=r"EulerDiscreteScheduler does not know the noise .*\(EDMDPMSolverMultistep"):
        resolve("EulerDiscreteScheduler", None, playground)
    with pytest.raises(ValueError, match="EDMEulerScheduler does not know"):
        resolve("EDMEulerScheduler", None, {"_class_name": "DDIMScheduler"})
    assert resolve("EDMEulerScheduler", None, playground).levels(5)[0].ve == pytest.approx(40)
    for name in ("euler", "DPM++ 2M", "DPM++ 2M SDE Karras", "heun"):
        plan = resolve(name, None, playground)
        assert plan.schedule.predicts == "edm" and plan.levels(5)[0].ve == pytest.approx(40)
        assert plan.options.get("order", 2) == 2, "the order is another solver's matter"
    for name in ("ddpm", "pndm", "lcm", "tcd", "sa_solver"):
        with pytest.raises(ValueError, match=f"sampler {name} counts training steps.*accepted: ddim, plms, euler"):
            resolve(name, None, playground)
    with pytest.raises(ValueError, match="takes the sampler ipndm, not euler"):
        resolve("euler", None, {"_class_name": "IPNDMScheduler"})
    assert resolve("ipndm", None, {"_class_name": "IPNDMScheduler"}).levels(4)[0].alpha == 0


def test_what_a_name_takes_from_a_models_config() -> None:
    """What is about the model, and nothing of another solver; the class's clip_sample default does not sneak in."""
    model = {
        "_class_name": "PNDMScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction",
        "steps_offset": 1,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
    }
    plan = resolve("ddim", None, model)
    assert plan.clip is None and plan.schedule.predicts == "v_prediction"
    assert plan.levels(10)[0].t == 901 and plan.levels(10)[-1] == plan.schedule.at(0)
    assert resolve("DDIMScheduler", None, model).clip is not None, "diffusers' from_config would clip here"
    spaced = {**model, "timestep_spacing": "trailing", "use_karras_sigmas": True, "solver_order": 3}
    assert resolve("dpmpp_2m", None, spaced).grid == "trailing"
    assert resolve("dpmpp_2m", None, spaced).options["order"] == 2
    assert resolve("DPMSolverMultistepScheduler", None, spaced).grid == "karras"
    assert resolve("DPMSolverMultistepScheduler", None, spaced).options["order"] == 3
    assert resolve("ddim", None, {**model, "clip_sample": True}).clip is not None


def test_how_a_run_starts() -> None:
    """diffusers scales the first noise with sigma_max, except for leading grids and the solvers of unit variance."""
    first = resolve("euler").levels(20)
    assert resolve("euler").start_scale(first) == first[0].sigma < 1
    for name, grid in (("ddim", None), ("plms", None), ("dpmpp_2m", None), ("euler", "leading"), ("ddim", "karras")):
        plan = resolve(name, grid)
        assert plan.start_scale(plan.levels(20)) == 1
    a1111 = resolve("DPM++ 2M Karras")
    assert a1111.start_scale(a1111.levels(20)) == a1111.levels(20)[0].sigma


@pytest.mark.parametrize(
    "name", ["dpm fast", "DPM adaptive", "Restart", "nonsense", "", "karras", "euler karras karras"]
)
def test_an_unknown_sampler_is_answered_with_the_known_ones(name: str) -> None:
    with pytest.raises(ValueError, match=f"unknown sampler {name!r}") as raised:
        resolve(name)
    assert all(known in str(raised.value) for known in (*SAMPLERS, *DEFAULTS))


def test_a_slip_is_answered_with_the_closest_name() -> None:
    with pytest.raises(ValueError, match=re.escape("(did you mean dpmpp_2m?)")):
        resolve("dpmp 2m")
    with pytest.raises(
        ValueError, match=re.escape("unknown schedule 'karas' (did you mean karras?); known: automatic")
    ):
        resolve("euler", "karas")


def test_an_unknown_option_is_answered_with_the_samplers_own() -> None:
    with pytest.raises(ValueError, match="sampler euler has no option etta; it has: s_churn, s_tmin, s_tmax, s_noise"):
        resolve("euler", etta=1.0)
    with pytest.raises(ValueError, match="it has: none"):
        resolve("heun", eta=1.0)
    assert resolve("ddim", eta=0.5).stochastic
    assert resolve("euler", s_churn=1.0).stochastic and not resolve("euler").stochastic


def test_plain_names() -> None:
    assert plain("DPM++ 2M_SDE-Karras") == "dpmpp2msdekarras"


def test_a_plan_prints_its_table() -> None:
    lines = resolve("heun", "trailing").table(3).splitlines()
    assert lines[0] == "heun, trailing: 3 steps, 5 model calls"
    assert lines[1].split() == ["i", "t", "sigma", "alpha", "snr"]
    assert lines[2].split()[:3] == ["0", "999.000", "14.61465"]
    assert lines[-1].split() == ["3", "0.000", "0.00000", "1.000000", "inf"]
    assert len(lines) == 6
