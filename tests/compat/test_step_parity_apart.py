"""``scheduler.step`` of the classes that differ from the others, against diffusers' scheduler objects."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_step_parity import SD, farthest, loop, model
from torch import Tensor

from sukashi.compat.schedulers import CLASSES

diffusers = pytest.importorskip("diffusers")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

CASES: list[tuple[str, dict[str, Any]]] = [
    ("EDMEulerScheduler", {}),
    ("EDMEulerScheduler", {"sigma_schedule": "exponential", "sigma_data": 1.0, "final_sigmas_type": "sigma_min"}),
    ("EDMDPMSolverMultistepScheduler", {}),
    ("EDMDPMSolverMultistepScheduler", {"solver_order": 3, "thresholding": True, "sample_max_value": 2.0}),
    ("EDMDPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    ("DDIMInverseScheduler", {**SD, "clip_sample": False, "set_alpha_to_one": False}),
    ("DPMSolverMultistepInverseScheduler", SD),
    ("IPNDMScheduler", {}),
]
NAMES = [f"{name.removesuffix('Scheduler')}-{'-'.join(map(str, keys)) or 'default'}" for name, keys in CASES]


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("name", "keys"), CASES, ids=NAMES)
@pytest.mark.parametrize("begin", [0, 4])
def test_every_sample_of_a_run_is_that_of_diffusers(name: str, keys: dict[str, Any], predicts: str, begin: int) -> None:
    config = keys if name == "IPNDMScheduler" else {**keys, "prediction_type": predicts}
    if begin and name in ("IPNDMScheduler", "DDIMInverseScheduler"):
        pytest.skip("diffusers' class has no add_noise")
    theirs, ours = getattr(diffusers, name)(**config), CLASSES[name](**config)
    t_theirs, x_theirs = loop(theirs, 10, begin)
    t_ours, x_ours = loop(ours, 10, begin)
    assert t_ours.dtype == t_theirs.dtype
    assert torch.allclose(t_ours.double(), t_theirs.double(), atol=1e-3)
    assert float(ours.init_noise_sigma) == pytest.approx(float(theirs.init_noise_sigma), rel=1e-5)
    assert ours.order == theirs.order
    assert farthest(x_ours, x_theirs) < 1e-4


@pytest.mark.parametrize(("name", "keys"), CASES[:5], ids=NAMES[:5])
def test_a_sample_changed_between_steps_is_taken_over(name: str, keys: dict[str, Any]) -> None:
    def changed(scheduler: Any) -> Tensor:
        scheduler.set_timesteps(8)
        generator = torch.Generator().manual_seed(1)
        x = torch.randn(1, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
        for i, t in enumerate(scheduler.timesteps):
            x = scheduler.step(model(scheduler.scale_model_input(x, t), t), t, x, generator=generator).prev_sample
            x = x + 0.5 if i == 4 else x
        return x

    assert farthest([changed(CLASSES[name](**keys))], [changed(getattr(diffusers, name)(**keys))]) < 1e-4


@pytest.mark.parametrize("name", sorted({name for name, _ in CASES} - {"EDMEulerScheduler"}))
def test_timesteps_before_a_number_is_chosen(name: str) -> None:
    """All but EDMEulerScheduler's, which has one more than it says."""
    ours, theirs = CLASSES[name](num_train_timesteps=200), getattr(diffusers, name)(num_train_timesteps=200)
    assert torch.allclose(ours.timesteps.double(), theirs.timesteps.double(), atol=1e-4)
    assert float(ours.init_noise_sigma) == pytest.approx(float(theirs.init_noise_sigma))
    assert len(ours) == len(theirs) == 200


@pytest.mark.parametrize("variance_type", ["fixed_small_log", "learned_range"])
@pytest.mark.parametrize("predicts", ["epsilon", "sample"])
def test_unclip(variance_type: str, predicts: str) -> None:
    """With steps left out and said, and one by one; a model may give the variance in the second half of its output."""
    config = {"variance_type": variance_type, "prediction_type": predicts, "num_train_timesteps": 1000}

    def run(scheduler: Any) -> tuple[Tensor, list[Tensor]]:
        scheduler.set_timesteps(12)
        generator, samples = torch.Generator().manual_seed(4), []
        x = torch.randn(2, 4, 8, 8, generator=generator)
        for i, t in enumerate(scheduler.timesteps):
            out = model(x, t)
            if variance_type == "learned_range":
                out = torch.cat([out, torch.sin(3 * x)], dim=1)
            following = scheduler.timesteps[i + 1] if i + 1 < len(scheduler.timesteps) else t - 7
            x = scheduler.step(out, t, x, prev_timestep=following, generator=generator).prev_sample
            samples.append(x)
        t = torch.tensor(400)
        one = scheduler.step(
            model(x, t).repeat(1, 2 if variance_type == "learned_range" else 1, 1, 1),
            t,
            x,
            generator=generator,
            return_dict=False,
        )
        return scheduler.timesteps, [*samples, *one]

    (t_ours, x_ours), (t_theirs, x_theirs) = (
        run(CLASSES["UnCLIPScheduler"](**config)),
        run(diffusers.UnCLIPScheduler(**config)),
    )
    assert torch.equal(t_ours, t_theirs)
    # the last step alone: theirs divides by 1 - alpha_bar in float32, which has lost three digits at t = 0
    assert farthest([x_ours[11]], [x_theirs[11]]) < 1e-3
    assert farthest(x_ours[:11] + x_ours[12:], x_theirs[:11] + x_theirs[12:]) < 1e-3
    assert farthest(x_ours[:11], x_theirs[:11]) < 1e-4
