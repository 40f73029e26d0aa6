"""What the keys of a diffusers ``scheduler_config.json`` mean: each class's defaults, and which values we refuse.

A key belongs to a class when the class's constructor takes it. Keys of *other* classes are left unread, as diffusers
leaves them (folders carry the leftovers of earlier classes); one exception is ``rescale_betas_zero_snr``, which
describes the model's training and is honoured under every class.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Config = dict[str, Any]

SCHEDULE: Config = {
    "num_train_timesteps": 1000,
    "beta_start": 0.0001,
    "beta_end": 0.02,
    "beta_schedule": "linear",
    "trained_betas": None,
    "prediction_type": "epsilon",
}
LATENT = {"beta_start": 0.00085, "beta_end": 0.012}
SPACING = {"timestep_spacing": "linspace", "steps_offset": 0}
RAMPS = {"use_karras_sigmas": False, "use_exponential_sigmas": False, "use_beta_sigmas": False}
THRESHOLD = {"thresholding": False, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0}
CLIP = {"clip_sample": True, "clip_sample_range": 1.0}
ZERO_SNR = {"rescale_betas_zero_snr": False}
FLOW = {"use_flow_sigmas": False, "flow_shift": 1.0, "use_dynamic_shifting": False, "time_shift_type": "exponential"}
DPM: Config = {
    **SCHEDULE,
    **THRESHOLD,
    **RAMPS,
    **FLOW,
    "solver_order": 2,
    "algorithm_type": "dpmsolver++",
    "solver_type": "midpoint",
    "final_sigmas_type": "zero",
    "lambda_min_clipped": -math.inf,
    "variance_type": None,
}
CONSISTENCY: Config = {
    **SCHEDULE,
    **LATENT,
    **CLIP,
    **THRESHOLD,
    **ZERO_SNR,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
    "original_inference_steps": 50,
    "set_alpha_to_one": True,
    "timestep_spacing": "leading",
    "steps_offset": 0,
    "timestep_scaling": 10.0,
}
EDM: Config = {
    "sigma_min": 0.002,
    "sigma_max": 80.0,
    "sigma_data": 0.5,
    "sigma_schedule": "karras",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "rho": 7.0,
    "final_sigmas_type": "zero",
}
STABLE_DIFFUSION: Config = {
    **SCHEDULE,
    **LATENT,
    "beta_schedule": "scaled_linear",
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "clip_sample": False,
}
"""What a mapping without ``_class_name`` means: the settings Stable Diffusion 1 and 2 were released with."""

DEFAULTS: dict[str, Config] = {
    "DDIMScheduler": {
        **SCHEDULE,
        **CLIP,
        **THRESHOLD,
        **SPACING,
        **ZERO_SNR,
        "set_alpha_to_one": True,
        "timestep_spacing": "leading",
    },
    "DDPMScheduler": {
        **SCHEDULE,
        **CLIP,
        **THRESHOLD,
        **SPACING,
        **ZERO_SNR,
        "variance_type": "fixed_small",
        "timestep_spacing": "leading",
    },
    "PNDMScheduler": {
        **SCHEDULE,
        **SPACING,
        "skip_prk_steps": False,
        "set_alpha_to_one": False,
        "timestep_spacing": "leading",
    },
    "EulerDiscreteScheduler": {
        **SCHEDULE,
        **SPACING,
        **RAMPS,
        **ZERO_SNR,
        "interpolation_type": "linear",
        "sigma_min": None,
        "sigma_max": None,
        "timestep_type": "discrete",
        "final_sigmas_type": "zero",
    },
    "EulerAncestralDiscreteScheduler": {**SCHEDULE, **SPACING, **ZERO_SNR},
    "HeunDiscreteScheduler": {**SCHEDULE, **LATENT, **SPACING, **RAMPS, **CLIP, "clip_sample": False},
    "KDPM2DiscreteScheduler": {**SCHEDULE, **LATENT, **SPACING, **RAMPS},
    "KDPM2AncestralDiscreteScheduler": {**SCHEDULE, **LATENT, **SPACING, **RAMPS},
    "LMSDiscreteScheduler": {**SCHEDULE, **SPACING, **RAMPS},
    "DPMSolverMultistepScheduler": {
        **DPM,
        **SPACING,
        **ZERO_SNR,
        "lower_order_final": True,
        "euler_at_final": False,
        "use_lu_lambdas": False,
    },
    "DPMSolverSinglestepScheduler": {**DPM, "lower_order_final": False},
    "DPMSolverSDEScheduler": {**SCHEDULE, **LATENT, **SPACING, **RAMPS, "noise_sampler_seed": None},
    "UniPCMultistepScheduler": {
        **SCHEDULE,
        **THRESHOLD,
        **SPACING,
        **RAMPS,
        **FLOW,
        **ZERO_SNR,
        "solver_order": 2,
        "predict_x0": True,
        "solver_type": "bh2",
        "lower_order_final": True,
        "disable_corrector": [],
        "solver_p": None,
        "final_sigmas_type": "zero",
        "sigma_min": None,
        "sigma_max": None,
        "shift_terminal": None,
    },
    "DEISMultistepScheduler": {
        **SCHEDULE,
        **THRESHOLD,
        **SPACING,
        **RAMPS,
        **FLOW,
        "solver_order": 2,
        "algorithm_type": "deis",
        "solver_type": "logrho",
        "lower_order_final": True,
    },
    "LCMScheduler": CONSISTENCY,
    "TCDScheduler": CONSISTENCY,
    "SASolverScheduler": {
        **SCHEDULE,
        **THRESHOLD,
        **RAMPS,
        **SPACING,
        "predictor_order": 2,
        "corrector_order": 2,
        "tau_func": None,
        "algorithm_type": "data_prediction",
        "lower_order_final": True,
        "use_flow_sigmas": False,
        "flow_shift": 1.0,
        "lambda_min_clipped": -math.inf,
        "variance_type": None,
    },
    "IPNDMScheduler": {"num_train_timesteps": 1000, "trained_betas": None},
    "UnCLIPScheduler": {
        **CLIP,
        "num_train_timesteps": 1000,
        "variance_type": "fixed_small_log",
        "prediction_type": "epsilon",
        "beta_schedule": "squaredcos_cap_v2",
    },
    "EDMEulerScheduler": EDM,
    "EDMDPMSolverMultistepScheduler": {
        **EDM,
        **THRESHOLD,
        "solver_order": 2,
        "algorithm_type": "dpmsolver++",
        "solver_type": "midpoint",
        "lower_order_final": True,
        "euler_at_final": False,
    },
    "DDIMInverseScheduler": {
        **SCHEDULE,
        **CLIP,
        **SPACING,
        **ZERO_SNR,
        "set_alpha_to_one": True,
        "timestep_spacing": "leading",
    },
    "DPMSolverMultistepInverseScheduler": {
        **SCHEDULE,
        **THRESHOLD,
        **RAMPS,
        **SPACING,
        "solver_order": 2,
        "algorithm_type": "dpmsolver++",
        "solver_type": "midpoint",
        "lower_order_final": True,
        "euler_at_final": False,
        "use_flow_sigmas": False,
        "flow_shift": 1.0,
        "lambda_min_clipped": -math.inf,
        "variance_type": None,
    },
}
"""The constructor arguments of diffusers 0.42.1's schedulers for Stable Diffusion (a test compares them)."""

SAME_AS = {"DDIMParallelScheduler": "DDIMScheduler", "DDPMParallelScheduler": "DDPMScheduler"}

SOLVERS = ("midpoint", "heun", "logrho", "bh1", "bh2")  # a foreign one is read as the class's own default
ACCEPTED: dict[str, tuple[Any, ...]] = {
    "beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2"),
    "prediction_type": ("epsilon", "v_prediction", "sample"),
    "timestep_spacing": ("leading", "linspace", "trailing"),
    "interpolation_type": ("linear",),
    "timestep_type": ("discrete",),
    "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", None),
    "algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "deis"),
    "solver_type": SOLVERS,
    "solver_order": (1, 2, 3),
    "predictor_order": (1, 2, 3, 4),
    "corrector_order": (0, 1, 2, 3, 4),
    "sigma_schedule": ("karras", "exponential"),
    "final_sigmas_type": ("zero", "sigma_min"),
    "lambda_min_clipped": (-math.inf, "-inf"),
    "use_flow_sigmas": (False, None),
    "use_dynamic_shifting": (False, None),
    "shift_terminal": (None,),
    "solver_p": (None,),
    "noise_sampler_seed": (None,),
}
"""Keys of which we honour some values only; every other key of a class is honoured at any value."""

ACCEPTED_BY: dict[str, dict[str, tuple[Any, ...]]] = {
    "SASolverScheduler": {"algorithm_type": ("data_prediction", "noise_prediction"), "variance_type": (None,)},
    "IPNDMScheduler": {"trained_betas": (None,)},
    "UnCLIPScheduler": {
        "variance_type": ("fixed_small_log", "learned_range"),
        "beta_schedule": ("squaredcos_cap_v2",),
    },
    "EDMEulerScheduler": {"prediction_type": ("epsilon", "v_prediction")},
    "EDMDPMSolverMultistepScheduler": {
        "prediction_type": ("epsilon", "v_prediction"),
        "algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "deis"),
    },
    "DDIMInverseScheduler": {"timestep_spacing": ("leading", "trailing")},
    "DPMSolverMultistepInverseScheduler": {"algorithm_type": ("dpmsolver++", "dpmsolver", "deis")},
}
"""What a class honours of a key where that is not what others do."""


def class_of(config: Mapping[str, Any]) -> str | None:
    """The scheduler class a config names, or None. Raises ValueError for a class we have no sampler for."""
    name = config.get("_class_name")
    name = SAME_AS.get(name, name) if isinstance(name, str) else name
    if name is not None and name not in DEFAULTS:
        raise ValueError(f"scheduler class {name!r} is not supported; known: {', '.join(sorted(DEFAULTS))}")
    return name


def complete(config: Mapping[str, Any]) -> Config:
    """Fill in the class's defaults and check the values.

    Raises:
        ValueError: for a value of one of the class's own keys that we do not honour, and for a key that no class has
            unless it is switched off (None or False); both with the key and the value.

    """
    name = class_of(config)
    own = DEFAULTS[name] if name else STABLE_DIFFUSION
    known = {key for defaults in DEFAULTS.values() for key in defaults}
    honoured = {**ACCEPTED, **ACCEPTED_BY.get(name or "", {})}
    for key, value in config.items():
        if key in own and key in honoured and value not in honoured[key]:
            accepted = ", ".join(map(repr, honoured[key]))
            raise ValueError(f"scheduler config: {key}={value!r} is not supported; accepted: {accepted}")
        if key not in known and not key.startswith("_") and value is not None and value is not False:
            raise ValueError(f"scheduler config: unknown key {key}={value!r}")
    if sum(bool(config.get(key)) for key in RAMPS if key in own) > 1:
        raise ValueError(f"scheduler config: only one of {', '.join(RAMPS)} can be true")
    return {**own, **config}
