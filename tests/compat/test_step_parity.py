"""``scheduler.step`` in a loop written by hand, against diffusers' scheduler objects."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import pytest
import torch
from torch import Tensor

from sukashi.compat.schedulers import CLASSES

diffusers = pytest.importorskip("diffusers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
logging.getLogger("diffusers").setLevel(logging.ERROR)

SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}
LEADING = {"timestep_spacing": "leading", "steps_offset": 1}
KARRAS = {"use_karras_sigmas": True}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("DDIMScheduler", {"set_alpha_to_one": False, "clip_sample": False, "steps_offset": 1}),
    ("DDIMScheduler", {"clip_sample": True}),
    ("DDPMScheduler", {"clip_sample": False, "steps_offset": 1}),
    ("PNDMScheduler", {"skip_prk_steps": True, "steps_offset": 1}),
    ("PNDMScheduler", {"steps_offset": 1}),
    ("EulerDiscreteScheduler", LEADING),
    ("EulerDiscreteScheduler", {}),
    ("EulerDiscreteScheduler", {**KARRAS, **LEADING}),
    ("EulerAncestralDiscreteScheduler", LEADING),
    ("HeunDiscreteScheduler", LEADING),
    ("HeunDiscreteScheduler", KARRAS),
    ("LMSDiscreteScheduler", {}),
    ("KDPM2DiscreteScheduler", LEADING),
    ("KDPM2AncestralDiscreteScheduler", LEADING),
    ("DPMSolverMultistepScheduler", LEADING),
    ("DPMSolverMultistepScheduler", KARRAS),
    ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    ("DPMSolverMultistepScheduler", {"solver_order": 3}),
    ("DPMSolverSinglestepScheduler", {"lower_order_final": True}),
    ("UniPCMultistepScheduler", LEADING),
    ("DEISMultistepScheduler", {}),
    ("LCMScheduler", {}),
    ("TCDScheduler", {}),
    ("SASolverScheduler", LEADING),
    ("SASolverScheduler", {"algorithm_type": "noise_prediction"}),
    ("SASolverScheduler", KARRAS),
]
NOT_FROM_THE_MIDDLE = (
    ("PNDMScheduler", {"steps_offset": 1}),  # with a Runge-Kutta warm-up, whose first calls belong together
    ("SASolverScheduler", KARRAS),  # theirs noises to the nearest training step, which is not where the run is
)
NAMES = [f"{name.removesuffix('Scheduler')}-{'-'.join(map(str, keys)) or 'default'}" for name, keys in CASES]
MIXING = torch.randn(4, 4, generator=torch.Generator().manual_seed(9)) / 3


def model(x: Tensor, t: Tensor) -> Tensor:
    """A smooth stand-in for a U-Net."""
    return torch.tanh(torch.einsum("ij,bjhw->bihw", MIXING, x) + float(t) / 1000)


def loop(scheduler: Any, n: int, begin: int = 0) -> tuple[Tensor, list[Tensor]]:
    """The timesteps and every sample of a run from noise, or from a noised sample in the middle."""
    generator = torch.Generator().manual_seed(0)
    scheduler.set_timesteps(n)
    timesteps = scheduler.timesteps
    x = torch.randn(2, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
    if begin:
        noise = torch.randn(2, 4, 8, 8, generator=generator)
        x = scheduler.add_noise(torch.ones(2, 4, 8, 8), noise, timesteps[begin : begin + 1].expand(2))
        timesteps = timesteps[begin:]
    options = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
    samples = []
    for t in timesteps:
        out = model(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(out, t, x, **options).prev_sample
        samples.append(x)
    return timesteps, samples


def farthest(a: list[Tensor], b: list[Tensor]) -> float:
    return max(float((x - y).abs().max()) / max(1.0, float(y.abs().max())) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("name", "keys"), CASES, ids=NAMES)
def test_every_sample_of_a_run_is_that_of_diffusers(name: str, keys: dict[str, Any], predicts: str) -> None:
    config = {**SD, **keys, "prediction_type": predicts}
    theirs, ours = getattr(diffusers, name)(**config), CLASSES[name](**config)
    t_theirs, x_theirs = loop(theirs, 10)
    t_ours, x_ours = loop(ours, 10)
    assert t_ours.dtype == t_theirs.dtype
    assert torch.allclose(t_ours.double(), t_theirs.double(), atol=1e-3)
    assert float(ours.init_noise_sigma) == pytest.approx(float(theirs.init_noise_sigma), rel=1e-5)
    assert ours.order == theirs.order
    assert farthest(x_ours, x_theirs) < 1e-4


@pytest.mark.parametrize(("name", "keys"), [case for case in CASES if case not in NOT_FROM_THE_MIDDLE])
def test_a_run_can_begin_in_the_middle(name: str, keys: dict[str, Any]) -> None:
    config = {**SD, **keys, "prediction_type": "v_prediction"}
    begin = 4  # for two calls a step: the first call of the third step
    _, x_theirs = loop(getattr(diffusers, name)(**config), 10, begin)
    _, x_ours = loop(CLASSES[name](**config), 10, begin)
    assert farthest(x_ours, x_theirs) < 1e-4


@pytest.mark.parametrize(("name", "keys"), CASES, ids=NAMES)
def test_a_sample_changed_between_steps_is_taken_over(name: str, keys: dict[str, Any]) -> None:
    def changed(scheduler: Any) -> Tensor:
        scheduler.set_timesteps(8)
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(1, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
        options = {"generator": generator} if "generator" in inspect.signature(scheduler.step).parameters else {}
        for i, t in enumerate(scheduler.timesteps):
            x = scheduler.step(model(scheduler.scale_model_input(x, t), t), t, x, **options).prev_sample
            if i == 4:
                x = x + 0.5
        return x

    config = {**SD, **keys, "prediction_type": "v_prediction"}
    theirs, ours = changed(getattr(diffusers, name)(**config)), changed(CLASSES[name](**config))
    assert farthest([ours], [theirs]) < 1e-4


@pytest.mark.parametrize("name", ["DDIMScheduler", "TCDScheduler"])
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_eta(name: str, eta: float) -> None:
    def run(scheduler: Any) -> Tensor:
        scheduler.set_timesteps(6)
        generator = torch.Generator().manual_seed(2)
        x = torch.randn(1, 4, 8, 8, generator=generator)
        for t in scheduler.timesteps:
            x = scheduler.step(model(x, t), t, x, eta=eta, generator=generator).prev_sample
        return x

    config = SD | ({"clip_sample": False} if name == "DDIMScheduler" else {})
    ours, theirs = run(CLASSES[name](**config)), run(getattr(diffusers, name)(**config))
    assert farthest([ours], [theirs]) < 1e-4


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_defaults_and_tables_are_those_of_diffusers(name: str) -> None:
    theirs, ours = getattr(diffusers, name)(), CLASSES[name]()
    for key, value in ours.config.items():
        if not key.startswith("_"):
            assert theirs.config[key] == value, key
    assert len(ours) == 1000
    if name.startswith("EDM") or name == "IPNDMScheduler":
        assert not hasattr(theirs, "alphas_cumprod"), "they have no training steps"
        return
    assert torch.allclose(ours.alphas_cumprod, theirs.alphas_cumprod.float(), atol=1e-6)
    assert torch.allclose(ours.betas, theirs.betas, atol=1e-6)


@pytest.mark.parametrize("name", ["EulerDiscreteScheduler", "LMSDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_sigmas(name: str) -> None:
    theirs, ours = getattr(diffusers, name)(**SD), CLASSES[name](**SD)
    theirs.set_timesteps(12)
    ours.set_timesteps(12)
    assert torch.allclose(ours.sigmas, theirs.sigmas.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["EulerDiscreteScheduler", "DDPMScheduler", "LCMScheduler"])
def test_given_timesteps(name: str) -> None:
    theirs, ours = getattr(diffusers, name)(**SD), CLASSES[name](**SD)
    given = [999, 700, 300, 50] if name != "LCMScheduler" else [999, 699, 299]
    results = []
    for scheduler in (theirs, ours):
        scheduler.set_timesteps(timesteps=given)
        generator = torch.Generator().manual_seed(3)
        x = torch.randn(1, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            x = scheduler.step(model(scheduler.scale_model_input(x, t), t), t, x, generator=generator)[0]
        results.append(x)
    assert farthest(results[1:], results[:1]) < 1e-4


@pytest.mark.parametrize("end", [0.0, 0.1])
def test_given_sigmas(end: float) -> None:
    theirs, ours = diffusers.EulerDiscreteScheduler(**SD), CLASSES["EulerDiscreteScheduler"](**SD)
    results = []
    for scheduler in (theirs, ours):
        scheduler.set_timesteps(sigmas=[14.6, 6.3, 3.8, 1.9, 0.9, 0.3, end])
        x = torch.ones(1, 4, 8, 8) * 14
        for t in scheduler.timesteps:
            x = scheduler.step(model(scheduler.scale_model_input(x, t), t), t, x)[0]
        results.append(x)
    assert farthest(results[1:], results[:1]) < 1e-4
