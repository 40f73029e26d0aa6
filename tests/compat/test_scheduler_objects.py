"""What scheduler objects do besides stepping: configs, mistakes, gradients, going back."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sukashi.compat import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PareDDIMScheduler,
    PNDMScheduler,
)
from sukashi.compat.schedulers import CLASSES, scheduler_of

SD1 = {  # scheduler_config.json of Stable Diffusion 1.5
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}


def test_another_class_takes_over_the_config() -> None:
    pndm = scheduler_of(SD1)
    assert isinstance(pndm, PNDMScheduler)
    dpm = DPMSolverMultistepScheduler.from_config(pndm.config, use_karras_sigmas=True)
    assert dpm.config.beta_start == 0.00085
    assert dpm.config.use_karras_sigmas is True
    assert dpm.config["_class_name"] == "DPMSolverMultistepScheduler"
    dpm.set_timesteps(20)
    assert len(dpm.timesteps) == 20


def test_defaults_of_one_class_do_not_become_settings_of_another() -> None:
    """PNDM is 'leading' by default, DPM++ 'linspace': as in diffusers only what a file says is taken over."""
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DPMSolverMultistepScheduler.from_config(diffusers.PNDMScheduler.from_config(SD1).config)
    ours = DPMSolverMultistepScheduler.from_config(PNDMScheduler.from_config(SD1).config)
    assert ours.config.timestep_spacing == theirs.config.timestep_spacing == "linspace"
    said = {**SD1, "timestep_spacing": "trailing"}
    again = DPMSolverMultistepScheduler.from_config(PNDMScheduler.from_config(said).config)
    assert again.config.timestep_spacing == "trailing"


def test_keys_of_other_classes_survive_a_detour() -> None:
    """skip_prk_steps is none of Euler's business, but PNDM has it again afterwards."""
    euler = EulerDiscreteScheduler.from_config(SD1)
    assert PNDMScheduler.from_config(euler.config).config.skip_prk_steps is True


def test_schedulers_of_diffusers_are_understood() -> None:
    diffusers = pytest.importorskip("diffusers")
    ours = scheduler_of(diffusers.DPMSolverMultistepScheduler.from_config(SD1, use_karras_sigmas=True))
    assert isinstance(ours, DPMSolverMultistepScheduler)
    assert ours.config.use_karras_sigmas is True
    with pytest.raises(ValueError, match=r"no scheduler class 'FlowMatchEulerDiscreteScheduler'.*DDIMScheduler"):
        scheduler_of(diffusers.FlowMatchEulerDiscreteScheduler())


def test_configs_are_read_by_attribute_and_cannot_be_written() -> None:
    config = DDIMScheduler(**{k: v for k, v in SD1.items() if k in ("beta_start", "beta_end")}).config
    assert config.beta_start == config["beta_start"] == config.get("beta_start")
    with pytest.raises(AttributeError, match="no key 'beta_strat'; it has num_train_timesteps"):
        _ = config.beta_strat
    with pytest.raises(TypeError, match="cannot be changed"):
        config["beta_start"] = 1
    with pytest.raises(TypeError, match="cannot be changed"):
        config.beta_start = 1
    assert copy.deepcopy(config) == pickle.loads(pickle.dumps(config)) == config


def test_files(tmp_path: Path) -> None:
    (tmp_path / "scheduler").mkdir()
    (tmp_path / "scheduler" / "scheduler_config.json").write_text(json.dumps(SD1))
    euler = EulerDiscreteScheduler.from_pretrained(tmp_path, subfolder="scheduler", timestep_spacing="trailing")
    euler.save_pretrained(tmp_path / "again")
    again = EulerDiscreteScheduler.from_pretrained(tmp_path / "again")
    assert again.config.timestep_spacing == "trailing"
    assert {k: v for k, v in again.config.items() if k != "_use_default_values"} == {
        k: v for k, v in euler.config.items() if k != "_use_default_values"
    }
    assert '"timestep_spacing": "trailing"' in repr(again)


def test_mistakes_are_named() -> None:
    with pytest.raises(TypeError, match="DDIMScheduler has no use_karras_sigmas; it has: num_train_timesteps"):
        DDIMScheduler(use_karras_sigmas=True)
    with pytest.raises(ValueError, match="timestep_spacing='sideways' is not supported; accepted: 'leading'"):
        DDIMScheduler(timestep_spacing="sideways")
    with pytest.raises(ValueError, match="unknown key beta_strat"):
        DDIMScheduler.from_config(SD1, beta_strat=0.1)
    x = torch.zeros(1, 4, 2, 2)
    with pytest.raises(ValueError, match="call set_timesteps first"):
        DDIMScheduler().step(x, 981, x)
    scheduler = DDIMScheduler()
    with pytest.raises(ValueError, match="only one of them"):
        scheduler.set_timesteps(timesteps=[3, 2], sigmas=[3, 2])
    scheduler.set_timesteps(10)
    with pytest.raises(ValueError, match="timestep 5 is not among the timesteps of this run: 900, 800, 700, 600, 500"):
        scheduler.step(x, 5, x)
    with pytest.raises(ValueError, match="a timestep is needed"):
        EulerDiscreteScheduler().scale_model_input(x)


def test_ddpm_walks_every_training_step_by_itself() -> None:
    scheduler = DDPMScheduler(num_train_timesteps=20, beta_end=0.5)
    assert scheduler.timesteps.tolist() == list(range(19, -1, -1))
    x = torch.ones(1, 1, 2, 2)
    for t in scheduler.timesteps:
        x = scheduler.step(0.1 * x, t, x, generator=torch.Generator().manual_seed(int(t))).prev_sample
    assert torch.isfinite(x).all()


def test_the_clean_sample_can_be_differentiated_and_steps_keep_no_graph() -> None:
    """Guidance with a loss, as in the diffusion course: the gradient of something seen in x0."""
    scheduler = EulerDiscreteScheduler.from_config(SD1)
    scheduler.set_timesteps(5)
    x = torch.randn(1, 4, 4, 4, generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
    t = scheduler.timesteps[0]
    x = x.requires_grad_()
    out = torch.tanh(scheduler.scale_model_input(x, t))
    result = scheduler.step(out, t, x)
    sigma = scheduler.sigmas[0]
    assert torch.allclose(result.pred_original_sample, x - sigma * out, rtol=1e-4, atol=1e-4)
    (gradient,) = torch.autograd.grad(result.pred_original_sample.sum(), x)
    scale = 1 / (sigma**2 + 1).sqrt()
    assert torch.allclose(gradient, 1 - sigma * scale * (1 - out**2), rtol=1e-3, atol=1e-3)
    assert not result.prev_sample.requires_grad


def test_a_step_can_be_made_again() -> None:
    """Asking at the same timestep a second time does not count the first."""
    scheduler = EulerDiscreteScheduler.from_config(SD1)

    def run(peek: bool) -> Tensor:
        scheduler.set_timesteps(6)
        x = torch.ones(1, 4, 2, 2)
        for t in scheduler.timesteps:
            out = torch.tanh(scheduler.scale_model_input(x, t))
            if peek:
                scheduler.step(out + 1, t, x)
            x = scheduler.step(out, t, x).prev_sample
        return x

    assert torch.equal(run(True), run(False))


def test_a_run_can_be_made_twice_without_setting_the_timesteps_again() -> None:
    scheduler = HeunDiscreteScheduler.from_config(SD1)
    scheduler.set_timesteps(4)

    def run() -> Tensor:
        x = torch.ones(1, 4, 2, 2)
        for t in scheduler.timesteps:
            x = scheduler.step(torch.tanh(scheduler.scale_model_input(x, t)), t, x).prev_sample
        return x

    assert torch.equal(run(), run())


def test_results_of_a_step_are_the_callers_own() -> None:
    """Writing into what a step returned does not reach the scheduler's memory."""
    runs = []
    for spoil in (False, True):
        scheduler = PNDMScheduler.from_config(SD1)
        scheduler.set_timesteps(6)
        x = torch.ones(1, 4, 2, 2)
        for t in scheduler.timesteps:
            given = x.clone()
            result = scheduler.step(torch.tanh(given), t, given)
            x = result.prev_sample.clone()
            if spoil:
                result.prev_sample.fill_(99)
                given.fill_(99)
        runs.append(x)
    assert torch.equal(*runs)


def test_half_precision_samples_stay_so() -> None:
    scheduler = EulerDiscreteScheduler.from_config(SD1)
    scheduler.set_timesteps(4)
    x = torch.ones(1, 4, 2, 2, dtype=torch.float16)
    for t in scheduler.timesteps:
        result = scheduler.step(torch.tanh(scheduler.scale_model_input(x, t)), t, x)
        x = result.prev_sample
        assert x.dtype == result.pred_original_sample.dtype == torch.float16


def test_outputs_are_tuples_and_mappings_too() -> None:
    scheduler = DDIMScheduler.from_config(SD1)
    scheduler.set_timesteps(4)
    x = torch.ones(1, 4, 2, 2)
    out = scheduler.step(x, scheduler.timesteps[0], x)
    assert out[0] is out.prev_sample is out["prev_sample"]
    assert list(out) == ["prev_sample", "pred_original_sample"]
    assert len(out) == len(out.to_tuple()) == 2
    scheduler.set_timesteps(4)
    pair = scheduler.step(x, scheduler.timesteps[0], x, return_dict=False)
    assert torch.equal(pair[0], out[0])


def test_noise_that_is_handed_in() -> None:
    scheduler = DDIMScheduler.from_config(SD1)
    x, noise = torch.ones(1, 4, 2, 2), torch.randn(1, 4, 2, 2, generator=torch.Generator().manual_seed(7))
    results = []
    for given in ({"variance_noise": noise}, {"generator": torch.Generator().manual_seed(7)}):
        scheduler.set_timesteps(4)
        results.append(scheduler.step(x, scheduler.timesteps[0], x, eta=1.0, **given).prev_sample)
    assert torch.equal(*results)


def test_noising_at_several_timesteps_at_once() -> None:
    diffusers = pytest.importorskip("diffusers")
    x, noise, t = torch.ones(3, 4, 2, 2), torch.full((3, 4, 2, 2), 0.5), torch.tensor([10, 500, 999])
    for name in ("DDPMScheduler", "DDIMScheduler"):
        theirs = getattr(diffusers, name).from_config(SD1)
        ours = CLASSES[name].from_config(SD1)
        assert torch.allclose(ours.add_noise(x, noise, t), theirs.add_noise(x, noise, t), atol=1e-6)
        assert torch.allclose(ours.get_velocity(x, noise, t), theirs.get_velocity(x, noise, t), atol=1e-6)


def test_the_parediffusers_scheduler_gives_a_pair_by_the_config() -> None:
    scheduler = PareDDIMScheduler.from_config({**SD1, "prediction_type": "v_prediction"})
    scheduler.set_timesteps(4)
    x, v, t = torch.ones(1, 4, 2, 2), torch.full((1, 4, 2, 2), 0.3), scheduler.timesteps[0]
    previous, clean = scheduler.step(v, t, x)
    signal = scheduler.alphas_cumprod[t]
    assert torch.allclose(clean, signal.sqrt() * x - (1 - signal).sqrt() * v, atol=1e-6)
    after = scheduler.alphas_cumprod[scheduler.timesteps[1]]
    eps = signal.sqrt() * v + (1 - signal).sqrt() * x
    assert torch.allclose(previous, after.sqrt() * clean + (1 - after).sqrt() * eps, atol=1e-6)
