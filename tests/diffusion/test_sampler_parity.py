"""Every sampler and grid that diffusers has, against diffusers itself, on a smooth stand-in for a U-Net."""

from __future__ import annotations

import math
import warnings
from itertools import product
from typing import Any

import pytest
import torch
from fake_unet import SD, START, diffusers_sample, draws, fake_denoiser, sample
from torch import Tensor

from sukashi.diffusion import pndm
from sukashi.diffusion.from_config import plan_from_config

diffusers = pytest.importorskip("diffusers")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # diffusers' own

SPACING = ("leading", "linspace", "trailing")
CURVE = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas")
SPACED = [{"timestep_spacing": spacing} for spacing in SPACING]
CURVED = [*SPACED, *({curve: True, **spaced} for spaced, curve in product(SPACED, CURVE))]  # ends of their spacing
SOLVED = [*SPACED, *({curve: True} for curve in CURVE)]
MULTISTEP, SINGLESTEP = "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"
END_LOW = {"final_sigmas_type": "sigma_min"}
SDE = {"algorithm_type": "sde-dpmsolver++"}

CASES: dict[str, list[dict[str, Any]]] = {
    "DDIMScheduler": [
        {"timestep_spacing": spacing, "clip_sample": clip, "set_alpha_to_one": one}
        for spacing, clip, one in product(("leading", "trailing"), (False, True), (False, True))
    ]
    + [{"clip_sample": False, "timestep_spacing": "trailing", "rescale_betas_zero_snr": True}, {"thresholding": True}],
    "DDPMScheduler": [{**spaced, "clip_sample": clip} for spaced in SPACED for clip in (False, True)]
    + [{"variance_type": "fixed_large"}, {"variance_type": "fixed_small_log"}, {"thresholding": True}],
    "PNDMScheduler": [
        {"skip_prk_steps": skip, "timestep_spacing": spacing}
        for skip, spacing in product((True, False), ("leading", "trailing"))
    ],
    "EulerDiscreteScheduler": [
        *CURVED,
        {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        {"use_karras_sigmas": True, "sigma_min": 0.05, "sigma_max": 10.0},
    ],
    "EulerAncestralDiscreteScheduler": [*SPACED, {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}],
    "HeunDiscreteScheduler": [*CURVED, {"clip_sample": True}],
    "KDPM2DiscreteScheduler": [{}, {"timestep_spacing": "leading", "use_karras_sigmas": True}],  # they are slow
    "KDPM2AncestralDiscreteScheduler": [{}, {"timestep_spacing": "leading", "use_karras_sigmas": True}],
    "LMSDiscreteScheduler": SOLVED,
    "DPMSolverSDEScheduler": SOLVED,
    MULTISTEP: [
        *SOLVED,
        *({"solver_order": order, "solver_type": kind} for order, kind in product((1, 2, 3), ("midpoint", "heun"))),
        *({"solver_order": order, **END_LOW, "lower_order_final": False} for order in (1, 2, 3)),
        *({"solver_order": order, **END_LOW, "algorithm_type": "dpmsolver"} for order in (1, 2, 3)),
        *({**SDE, "solver_order": order, "solver_type": kind} for order in (1, 2) for kind in ("midpoint", "heun")),
        {"euler_at_final": True, **END_LOW},
        {"use_lu_lambdas": True},
        {"use_karras_sigmas": True, "beta_schedule": "squaredcos_cap_v2"},
        {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        {"thresholding": True},
        {**SDE, "use_karras_sigmas": True},
    ],
    SINGLESTEP: [
        *({curve: True} for curve in CURVE),
        *({"solver_order": order, "solver_type": kind} for order, kind in product((1, 2, 3), ("midpoint", "heun"))),
        *({"solver_order": order, **END_LOW} for order in (1, 2, 3)),
        *({"solver_order": order, **END_LOW, "algorithm_type": "dpmsolver"} for order in (1, 2, 3)),
        *({**SDE, "solver_order": order} for order in (1, 2, 3)),
        {**SDE, "solver_type": "heun"},
    ],
    "UniPCMultistepScheduler": [
        *SOLVED,
        *({"solver_order": order} for order in (1, 2, 3)),
        *(
            {"solver_order": order, "solver_type": "bh1", **END_LOW} for order in (1, 2, 3)
        ),  # NaN there with a clean end
        {"solver_order": 3, "lower_order_final": False, **END_LOW},
        {"predict_x0": False, **END_LOW},
        {"disable_corrector": [0, 1, 2]},
        {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"},
        {"use_karras_sigmas": True, **END_LOW},
        {"thresholding": True},
    ],
    "DEISMultistepScheduler": [*SOLVED, {"solver_order": 1}, {"solver_order": 3}, {"lower_order_final": False}],
    "LCMScheduler": [{}, {"clip_sample": True}, {"original_inference_steps": 100}],
    "TCDScheduler": [{}],
    "SASolverScheduler": [
        *SOLVED,
        *({"predictor_order": order, "corrector_order": order} for order in (1, 3, 4)),
        {"predictor_order": 3, "corrector_order": 1, "lower_order_final": False},
        *({"algorithm_type": "noise_prediction", "predictor_order": order} for order in (1, 2, 3)),
        {"thresholding": True},
    ],
    "IPNDMScheduler": [{}],
}
# Not diffusers' on purpose: DDIM and PNDM with linspace land beside their own grid there (huggingface/diffusers#12633),
# and the third-order SDE solver has the sign of one term reversed (see test_kdiffusion_formulas.py for ours).


class PlainBrownian:
    """In place of diffusers' torchsde tree: the same Brownian path from the draws that our sampler makes."""

    def __init__(self, x: Tensor) -> None:
        self.draw, self.early, self.middle = draws(x), None, 0.0

    def __call__(self, sigma: Tensor, sigma_next: Tensor) -> Tensor:
        if self.early is None:
            self.early, self.middle = self.draw(), float(sigma_next)
            return self.early
        early, self.early = self.early, None
        share = (float(sigma) - self.middle) / (float(sigma) - float(sigma_next))
        return math.sqrt(share) * early + math.sqrt(1 - share) * self.draw()


def theirs(name: str, config: dict[str, Any], n: int, **where: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = getattr(diffusers, name).from_config(config)
        if name == "DPMSolverSDEScheduler":
            set_timesteps = scheduler.set_timesteps

            def with_plain_noise(steps: int) -> None:
                set_timesteps(steps)
                scheduler.noise_sampler = PlainBrownian(START)

            scheduler.set_timesteps = with_plain_noise
        if name in ("DEISMultistepScheduler", "SASolverScheduler"):
            # their coefficients cancel: in float32 they alone are wrong by up to 1e-4
            in_float32 = scheduler.set_timesteps

            def in_float64(steps: int) -> None:
                in_float32(steps)
                scheduler.sigmas = scheduler.sigmas.double()

            scheduler.set_timesteps = in_float64
        return diffusers_sample(scheduler, n, **where)


def error(ours: Tensor, reference: Tensor) -> float:
    assert torch.isfinite(reference).all()
    return ((ours - reference).abs().max() / reference.abs().max().clamp(min=1)).item()


def case_id(config: dict[str, Any]) -> str:
    return "-".join(f"{key}={value}" for key, value in config.items()) or "default"


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    ("name", "options"),
    [pytest.param(name, options, id=f"{name}-{case_id(options)}") for name in CASES for options in CASES[name]],
)
def test_a_config_samples_as_in_diffusers(name: str, options: dict[str, Any], kind: str) -> None:
    if options.get("rescale_betas_zero_snr") and kind == "epsilon":
        pytest.skip("a model that predicts epsilon cannot start without signal")
    config = {**SD, "prediction_type": kind, **options}
    for n in (8, 20, 50):
        ours = sample(plan_from_config({**config, "_class_name": name}), n)
        assert error(ours, theirs(name, config, n)) < 1e-4, f"{n} steps"


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("LCMScheduler", "TCDScheduler")])
@pytest.mark.parametrize("first", [1, 2, 3, 5])
def test_an_image_to_image_run_is_diffusers(name: str, first: int) -> None:
    """From the middle on: which step is made first, from which level, and with which order."""
    if name == "PNDMScheduler":
        options: dict[str, Any] = {"skip_prk_steps": True}
    else:
        options = {"clip_sample": False}
    image, n = torch.linspace(-1, 1, START.numel()).view(START.shape), 8
    config = {**SD, **options}
    plan = plan_from_config({**config, "_class_name": name})
    levels = plan.levels(n)
    level = plan.begin(levels, first)
    k_diffusion = plan.scaled_start
    x = level.alpha * image + level.sigma * START
    ours = sample(plan, n, first=first, x=x.double())
    reference = theirs(name, config, n, first=first, x=x / level.alpha if k_diffusion else x)
    assert error(ours, reference) < 1e-4


@pytest.mark.parametrize("tau", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("algorithm_type", ["data_prediction", "noise_prediction"])
def test_sa_solver_takes_any_amount_of_noise(tau: float, algorithm_type: str) -> None:
    """Also as a plain number, which counts from t = 200 to 800 as their default does."""
    config = {**SD, "prediction_type": "v_prediction", "algorithm_type": algorithm_type, "tau_func": lambda t: tau}
    reference = theirs("SASolverScheduler", config, 12)
    assert error(sample(plan_from_config({**config, "_class_name": "SASolverScheduler"}), 12), reference) < 1e-4
    windowed = {**config, "tau_func": lambda t: tau if 200 <= t <= 800 else 0}
    config = {**config, "tau_func": None, "_class_name": "SASolverScheduler"}
    plan = plan_from_config(config, options={"tau": tau})
    assert error(sample(plan, 12), theirs("SASolverScheduler", windowed, 12)) < 1e-4
    assert plan.stochastic == bool(tau)


def test_plms_of_a_v_model_averages_v() -> None:
    """diffusers' way, not the paper's: the other way is a visibly different result."""
    config = {**SD, "skip_prk_steps": True, "prediction_type": "v_prediction"}
    plan = plan_from_config({**config, "_class_name": "PNDMScheduler"})
    reference = theirs("PNDMScheduler", config, 8)
    assert error(sample(plan, 8), reference) < 1e-4
    *_, step = pndm.plms(fake_denoiser("v_prediction"), START.double(), plan.levels(8), draws(START))
    assert error(step.x_next, reference) > 1e-2


def test_ddim_with_linspace_lands_on_its_own_grid() -> None:
    """Where diffusers' DDIM does not, its DDPM does, which is DDIM at eta 1."""
    config = {**SD, "timestep_spacing": "linspace", "clip_sample": False}
    ours = plan_from_config({**config, "_class_name": "DDIMScheduler"}, options={"eta": 1.0})
    assert error(sample(ours, 12), theirs("DDPMScheduler", config, 12)) < 1e-4
    deterministic = plan_from_config({**config, "_class_name": "DDIMScheduler"})
    assert error(sample(deterministic, 12), theirs("DDIMScheduler", config, 12)) > 1e-3
