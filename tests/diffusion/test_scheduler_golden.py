"""The 105 loops of diffusers' own scheduler tests, with their final samples, through plans made from their configs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fake_unet import read
from torch import Tensor

from sukashi.compat.schedulers import CLASSES
from sukashi.diffusion.from_config import plan_from_config
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.schedule import betas
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
EDM = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")


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
    plan = with_their_betas(plan, levels) if name == "UnCLIPScheduler" else plan
    *_, step = plan.run(denoiser(plan, scaled), start, levels, noise, first)
    return (step.x_next / step.to.alpha if scaled else step.x_next).abs()


def with_their_betas(plan: Plan, levels: list[Level]) -> Plan:
    """UnCLIPScheduler takes beta from one float32 table and alpha_bar from another, which differ by up to a thousandth.

    It does so for steps between neighbours only; their result has the share of x0 multiplied by this quotient.
    """
    table, following = betas(plan.schedule.config).tolist(), dict(pairwise(levels))
    clip = plan.clip
    assert clip is not None

    def rounded(denoise: Denoise) -> Denoise:
        def changed(x: Tensor, level: Level) -> Prediction:
            p, to = clip(denoise)(x, level), following[level]
            if level.t - (to.t if to.sigma else -1) > 1:
                return p
            return p._replace(x0=p.x0 * table[int(level.t)] / (1 - (level.alpha / to.alpha) ** 2))

        return changed

    return replace(plan, clip=rounded)


def batch_step(entry: dict[str, Any]) -> Tensor:
    """DDIMParallel's one batched step: from training steps 0, 1, 2 straight to the end."""
    plan = plan_from_config({**entry["schedulers"][0]["config"], "_class_name": "DDIMParallelScheduler"})
    ends = []
    for t, shift in enumerate((0.0, 0.1, -0.1)):
        levels = plan.levels(timesteps=[t])
        *_, step = plan.run(denoiser(plan, False), ramp((4, 3, 8, 8)) + shift, levels, gaussian(torch.Size()))
        ends.append(step.x_next.abs())
    return torch.cat(ends)


def twice(entry: dict[str, Any]) -> Tensor:
    """IPNDM's loop runs twice and remembers the first run: three model calls before the first of the second."""
    plan = plan_from_config({**entry["schedulers"][0]["config"], "_class_name": "IPNDMScheduler"})
    levels, calls = plan.levels(10), []
    run = list(plan.run(denoiser(plan, False), ramp((4, 3, 8, 8)), levels, gaussian(torch.Size())))

    def denoise(x: Tensor, level: Level) -> Prediction:
        calls.append(level)
        if len(calls) <= 3:
            return run[len(calls) - 4].prediction
        if len(calls) == 4:
            x.copy_(run[-1].x_next)
        return denoiser(plan, False)(x, level)

    *_, step = plan.run(denoise, run[0].x.clone(), [*levels[7:10], *levels], gaussian(torch.Size()))
    return step.x_next.abs()


def edm(entry: dict[str, Any]) -> Tensor:
    """The loops of the two EDM classes, by scheduler objects: their model sees what no sampler of ours hands out."""
    used = entry["schedulers"][0]
    scheduler = CLASSES[used["class"]](**used["config"])
    scheduler.set_timesteps(10)
    x, timesteps, euler = ramp((4, 3, 8, 8)), scheduler.timesteps, used["class"] == "EDMEulerScheduler"
    if "with_noise" in entry["test"]:
        timesteps = timesteps[5:]
        x = scheduler.add_noise(x, ramp((4, 3, 8, 8), reverse=True), timesteps[:1])
    x = x * scheduler.init_noise_sigma if euler else x
    for t in timesteps:
        seen = scheduler.scale_model_input(x, t) if euler else x
        x = scheduler.step(seen * t / (t + 1), t, x).prev_sample
    return x.abs()


@pytest.mark.filterwarnings("ignore:Should have tb<=t1:UserWarning")  # torchsde, about float32
@pytest.mark.parametrize("index", range(105))
def test_a_published_loop(index: int, golden: tuple[list[dict[str, Any]], dict[str, np.ndarray]]) -> None:
    results, samples = golden
    entry = results[index]
    name = entry["schedulers"][0]["class"]
    loop = batch_step if "batch_step" in entry["test"] else edm if name in EDM else twice if "IPNDM" in name else run
    last = loop(entry)
    if (key := entry["test"].replace("/", "|")) in samples:
        expected = torch.from_numpy(samples[key]).double()
        assert ((last - expected).abs().max() / expected.abs().max()).item() < 1e-4
    if entry["actual_sum"]:
        assert last.sum().item() == pytest.approx(entry["actual_sum"][0], rel=1e-4)
    assert last.mean().item() == pytest.approx(entry["actual_mean"][0], rel=1e-4)
