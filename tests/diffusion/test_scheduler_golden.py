"""The 105 loops of diffusers' own scheduler tests, with their final samples, through plans made from their configs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_unet import read
from torch import Tensor

from sukashi.diffusion.from_config import plan_from_config
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Denoise, Level, Prediction

SCALED = (  # classes whose loop hands the *scaled* x to step(), as those tests happen to be written
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "LMSDiscreteScheduler",
    "HeunDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSDEScheduler",
)
NOT_OURS = {
    "DPMSolverMultistepInverseScheduler": "walks from image to noise: an inversion, not a sampler",
    "DDIMInverseScheduler": "walks from image to noise: an inversion, not a sampler",
    "SASolverScheduler": "no Stable Diffusion model ships with it",
    "IPNDMScheduler": "belongs to Dance Diffusion (audio), not to variance preserving schedules",
    "EDMEulerScheduler": "for models trained with EDM preconditioning (Playground 2.5, SVD)",
    "EDMDPMSolverMultistepScheduler": "for models trained with EDM preconditioning (Playground 2.5, SVD)",
    "UnCLIPScheduler": "belongs to the unCLIP models",
}
COUNTS = {"ours": 83, "not ours": 22}


@pytest.fixture(scope="module")
def golden(shared_data: Path) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    folder = shared_data / "6_references" / "schedulers"
    with np.load(folder / "scheduler_final_samples.npz") as samples:
        return json.loads((folder / "scheduler_golden.json").read_text())["results"], dict(samples)


def ramp(shape: tuple[int, ...], *, reverse: bool = False) -> Tensor:
    """Their deterministic input: an even ramp, laid out with the batch as the last axis."""
    n = math.prod(shape)
    values = torch.arange(n).flip(0) if reverse else torch.arange(n)
    return (values.reshape(*shape[1:], shape[0]) / n).movedim(-1, 0).double()


def denoiser(plan: Plan, scaled: bool) -> Denoise:
    """Their model, x * t / (t + 1); where step() gets the scaled x, x is scaled in place once the model has seen it."""

    def denoise(x: Tensor, level: Level) -> Prediction:
        out = x * level.t / (level.t + 1)
        if scaled:
            x.mul_(level.alpha)
        return read(plan.schedule.predicts, x, out, level)

    return denoise


def gaussian(shape: torch.Size) -> Callable[[], Tensor]:
    generator = torch.manual_seed(0)
    return lambda: torch.randn(shape, generator=generator).double()


def brownian(levels: list[Level], shape: torch.Size) -> Callable[[], Tensor]:
    """The draws that make our DPM++ SDE follow the torchsde tree that diffusers draws from."""
    torchsde = pytest.importorskip("torchsde")
    ends = {"t0": levels[-2].ve, "t1": levels[0].ve}
    tree = torchsde.BrownianInterval(**ends, size=shape, entropy=0, tol=1e-6, pool_size=24, halfway_tree=True)

    def spans() -> Iterator[tuple[float, float]]:
        for now, to in pairwise(levels):  # in float32 as there: a Brownian path is rough
            begin, end = -torch.tensor([now.ve, to.ve]).log()
            high, middle, low = (-torch.stack([begin, begin + (end - begin) * 0.5, end])).exp().tolist()
            yield from ((high, middle), (middle, low))

    span = spans()

    def noise() -> Tensor:
        high, low = next(span)
        return -tree(low, high).double() / math.sqrt(high - low)

    return noise


def run(entry: dict[str, Any]) -> Tensor:
    """|last x| of one loop."""
    test, used = entry["test"].split("::")[-1], entry["schedulers"][0]
    name, n = used["class"], used["num_inference_steps"] or 1000
    config = {key: value for key, value in used["config"].items() if key != "noise_sampler_seed"}
    plan = plan_from_config({**config, "_class_name": name}, options={"eta": 0.0} if name == "TCDScheduler" else None)
    levels, scaled = plan.levels(n), name in SCALED
    shape = (4, 3, 8) if "1DTest" in entry["test"] else (4, 3, 8, 8)
    x, first = ramp(shape), 0
    if "with_noise" in test:
        first = 5 if name.startswith("DPMSolver") else n - 2
        level = plan.begin(levels, first)
        start = level.alpha * x * (levels[0].ve if scaled else 1) + level.sigma * ramp(shape, reverse=True)
    else:
        first = 3 if "uneven" in test else 0
        start = x * levels[0].sigma if scaled else x
    noise = brownian(levels, start.shape) if name == "DPMSolverSDEScheduler" else gaussian(start.shape)
    *_, step = plan.run(denoiser(plan, scaled), start, levels, noise, first)
    return (step.x_next / step.to.alpha if scaled else step.x_next).abs()


def batch_step(entry: dict[str, Any]) -> Tensor:
    """DDIMParallel's one batched step: from training steps 0, 1, 2 straight to the end."""
    plan = plan_from_config({**entry["schedulers"][0]["config"], "_class_name": "DDIMParallelScheduler"})
    ends = []
    for t, shift in enumerate((0.0, 0.1, -0.1)):
        levels = plan.levels(timesteps=[t])
        *_, step = plan.run(denoiser(plan, False), ramp((4, 3, 8, 8)) + shift, levels, gaussian(torch.Size()))
        ends.append(step.x_next.abs())
    return torch.cat(ends)


@pytest.mark.filterwarnings("ignore:Should have tb<=t1:UserWarning")  # torchsde, about float32
@pytest.mark.parametrize("index", range(105))
def test_a_published_loop(index: int, golden: tuple[list[dict[str, Any]], dict[str, np.ndarray]]) -> None:
    results, samples = golden
    entry = results[index]
    if (name := entry["schedulers"][0]["class"]) in NOT_OURS:
        pytest.skip(f"{name}: {NOT_OURS[name]}")
    last = batch_step(entry) if "batch_step" in entry["test"] else run(entry)
    if (key := entry["test"].replace("/", "|")) in samples:
        expected = torch.from_numpy(samples[key]).double()
        assert ((last - expected).abs().max() / expected.abs().max()).item() < 1e-4
    if entry["actual_sum"]:
        assert last.sum().item() == pytest.approx(entry["actual_sum"][0], rel=1e-4)
    assert last.mean().item() == pytest.approx(entry["actual_mean"][0], rel=1e-4)


def test_no_loop_is_left_out(golden: tuple[list[dict[str, Any]], dict[str, np.ndarray]]) -> None:
    classes = [entry["schedulers"][0]["class"] for entry in golden[0]]
    skipped = sum(name in NOT_OURS for name in classes)
    assert {"ours": len(classes) - skipped, "not ours": skipped} == COUNTS
