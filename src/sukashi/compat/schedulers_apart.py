"""Scheduler classes of diffusers that differ from the others in more than their name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sukashi.compat.randomness import Generators
from sukashi.compat.scheduler import Scheduler, SchedulerOutput
from sukashi.diffusion.denoiser import read
from sukashi.diffusion.edm import EDMSchedule, inside, outside
from sukashi.diffusion.from_config import clip_of
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import CLEAN, Level, Prediction


class EDMEulerScheduler(Scheduler):
    """Euler's method for models trained as in Karras et al. 2022 (arXiv:2206.00364): they see c_in x and ln(sigma) / 4.

    ``scale_model_input`` multiplies by c_in, ``step`` reads the output with c_skip and c_out.
    """

    exploding = fractional = True
    schedule: EDMSchedule

    def _build(self, keys: Mapping[str, Any]) -> None:
        super()._build(keys)
        self.timesteps = torch.from_numpy(self.schedule.log_ve[::-1].copy() / 4).float()

    def stepping(self, eta: float | None = None) -> Plan:
        """Without the units, which ``see`` and ``scale_model_input`` take care of."""
        return replace(self.plan(eta), clip=clip_of(self.home, self.config))

    def see(self, model_output: Tensor, x: Tensor, level: Level) -> Prediction:
        """What a model's output means (c_skip and c_out), x being ours; all (B, C, h, w)."""
        data = self.schedule.sigma_data
        return outside(read(model_output, *inside(x, level, data), self.schedule.predicts), data)

    def scale_model_input(self, sample: Tensor, timestep: float | Tensor | None = None) -> Tensor:
        """c_in sample, (B, C, h, w), as the model sees it."""
        if timestep is None:
            raise ValueError(f"{type(self).__name__} scales by the noise level: a timestep is needed")
        level = self._calls[self._call_at(timestep)].level
        return inside(self.inward(sample, level), level, self.schedule.sigma_data)[0]

    def _level(self, t: float) -> Level:
        return self.schedule.at_ve(math.exp(4 * t))


class EDMDPMSolverMultistepScheduler(EDMEulerScheduler):
    """DPM++ 2M, 3M and their SDE versions for such models: what Playground v2.5 comes with."""


class IPNDMScheduler(Scheduler):
    """iPNDM on the schedule of the audio models it came with (Dance Diffusion): timesteps from 1 to 0."""

    fractional = True

    def _build(self, keys: Mapping[str, Any]) -> None:
        super()._build(keys)
        self.set_timesteps(self.schedule.steps)


class UnCLIPScheduler(Scheduler):
    """DDPM as the unCLIP model Karlo uses it: ``step`` is told where it goes, and may be given a variance.

    With ``variance_type`` "learned_range" the model's output has twice the channels: the second half says, from -1 to
    1, where the log variance lies between the posterior's and the whole beta (Nichol & Dhariwal 2021, arXiv:2102.09672,
    eq. 15).
    """

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        prev_timestep: float | Tensor | None = None,
        *,
        generator: Generators = None,
        variance_noise: Tensor | None = None,
        return_dict: bool = True,
    ) -> Any:
        """From a timestep to ``prev_timestep``, without one to the training step before: (B, C, h, w) in and out.

        As in diffusers a run with fewer steps must say ``prev_timestep``.
        """
        before = int(timestep) - 1 if prev_timestep is None else int(prev_timestep)
        now, to = self.schedule.at(int(timestep)), self.schedule.at(before) if before >= 0 else CLEAN
        learned = self.config["variance_type"] == "learned_range" and model_output.shape[1] == 2 * sample.shape[1]
        out, share = model_output.float().chunk(2, dim=1) if learned else (model_output.float(), None)
        draw = self.noise(sample, generator) if variance_noise is None else lambda: variance_noise

        def noise() -> Tensor:
            if share is None:
                return draw()
            smallest = (to.sigma / now.sigma) ** 2  # the posterior's variance as a share of the whole beta
            return draw() * smallest ** (-(share + 1) / 4)

        x, plan = sample.float(), self.plan()
        (step,) = plan.run(lambda x, level: self.see(out, x, level), x, [now, to], noise)
        result = SchedulerOutput(step.x_next.to(sample.dtype), step.prediction.x0.to(sample.dtype))
        return result if return_dict else (result.prev_sample, result.pred_original_sample)


class DDIMInverseScheduler(Scheduler):
    """DDIM from a picture to its noise; timesteps rise (see ``diffusion.inversion``)."""

    def _build(self, keys: Mapping[str, Any]) -> None:
        super()._build(keys)
        self.timesteps = self.timesteps.flip(0)


class DPMSolverMultistepInverseScheduler(DDIMInverseScheduler):
    """DPM++ 2M from a picture to its noise."""
