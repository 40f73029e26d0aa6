"""diffusers' scheduler objects over our samplers: ``set_timesteps``, ``timesteps``, ``scale_model_input``, ``step``.

One class does the work, the classes that people name are in ``schedulers``. What a scheduler *is* (levels, sampler) is
a ``Plan``; what it remembers between calls of ``step`` is a ``Stepper``. The pipelines here use the plan alone.

Two coordinates meet: ours, x = alpha x0 + sigma eps with alpha^2 + sigma^2 = 1, and, for the classes that come from
k-diffusion, x / alpha = x0 + (sigma / alpha) eps. ``exploding`` marks the latter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from sukashi.compat.basics import Config, Output
from sukashi.compat.randomness import Generators, randn
from sukashi.compat.stepper import Call, Stepper, calls_of
from sukashi.diffusion import schedule as schedules
from sukashi.diffusion.denoiser import read
from sukashi.diffusion.from_config import plan_from_config, schedule_of
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.scheduler_config import DEFAULTS, complete
from sukashi.diffusion.types import Denoise, Level, Noise, Prediction, Step

FILE = "scheduler_config.json"
DEFAULTED = "_use_default_values"  # the keys of a config that nobody set: another class takes its own defaults for them
S = TypeVar("S", bound="Scheduler")


@dataclass
class SchedulerOutput(Output):
    """``prev_sample`` (B, C, h, w) is for the next timestep, ``pred_original_sample`` the clean one seen from here."""

    prev_sample: Tensor
    pred_original_sample: Tensor


class Scheduler:
    """What all scheduler classes share. Config keys are those of diffusers' class of the same name.

    Raises TypeError for a key that the class does not have, ValueError for a value that we do not support.
    """

    exploding: ClassVar[bool] = False
    fractional: ClassVar[bool] = False  # timesteps are floating numbers
    order: ClassVar[int] = 1
    takes_eta: ClassVar[bool] = False
    home: ClassVar[str]  # the class of diffusers whose keys and sampler it has

    def __init_subclass__(cls) -> None:
        cls.home = cls.__name__ if cls.__name__ in DEFAULTS else cls.home

    def __init__(self, num_train_timesteps: int | None = None, **keys: Any) -> None:
        if unknown := set(keys) - set(DEFAULTS[self.home]):
            has = ", ".join(DEFAULTS[self.home])
            raise TypeError(f"{self.home} has no {', '.join(sorted(unknown))}; it has: {has}")
        if num_train_timesteps is not None:
            keys["num_train_timesteps"] = num_train_timesteps
        self._build(keys)

    @classmethod
    def from_config(cls: type[S], config: Mapping[str, Any] | Scheduler, **keys: Any) -> S:
        """A scheduler like the one of ``config``, with ``keys`` changed.

        Keys of other classes are kept in the config but not read, as in diffusers; keys that the other class had by
        default are this class's defaults.
        """
        values = dict(config.config if isinstance(config, Scheduler) else config)
        left = set(values.pop(DEFAULTED, ())) | {k for k in values if k.startswith("_")}
        made = cls.__new__(cls)
        made._build({k: v for k, v in values.items() if k not in left} | keys)
        return made

    @classmethod
    def from_pretrained(cls: type[S], source: str | Path, *, subfolder: str | None = None, **keys: Any) -> S:
        """Read ``scheduler_config.json`` of a folder or a hub id (``subfolder="scheduler"``); ``keys`` change it."""
        folder = Path(source).expanduser()
        inside = f"{subfolder}/{FILE}" if subfolder else FILE
        if not folder.is_dir():
            from sukashi.weights.hub import fetch_files

            folder = fetch_files(str(source), [inside])
        return cls.from_config(json.loads((folder / inside).read_text(encoding="utf-8")), **keys)

    def _build(self, keys: Mapping[str, Any]) -> None:
        values = complete({**keys, "_class_name": self.home})
        self.config = Config({**values, DEFAULTED: sorted(set(DEFAULTS[self.home]) - set(keys))})
        self.schedule = schedule_of(values)
        self.num_inference_steps: int | None = None
        self._levels: list[Level] = []
        self._calls: list[Call] = []
        self._begin: int | None = None
        self._next: int | None = None  # which of the calls comes next
        self._stepper: Stepper | None = None
        self._eta: float | None = None
        self.timesteps = self._whole(torch.arange(self.schedule.steps).flip(0).double())

    # ---------------------------------------------------------------------------------------------- what it is made of

    def plan(self, eta: float | None = None) -> Plan:
        """The sampler and the grid; ``eta`` counts for DDIM and TCD, other classes have none."""
        options = {"eta": float(eta)} if eta is not None and self.takes_eta else None
        return plan_from_config(self.config, options=options)

    def levels(
        self,
        n: int | None = None,
        *,
        timesteps: Iterable[float] | None = None,
        sigmas: Iterable[float] | None = None,
    ) -> list[Level]:
        """The levels of a run of n steps, or of given timesteps, or of given sigmas, the last of which is the end.

        Raises ValueError when timesteps and sigmas are both given, or are no falling numbers.
        """
        if (timesteps is not None) + (sigmas is not None) > 1:
            raise ValueError("timesteps and sigmas were both given; only one of them can be")
        timesteps = None if timesteps is None else [float(t) for t in timesteps]
        sigmas = None if sigmas is None else [float(s) for s in sigmas]
        levels = self.plan().levels(n or 0, timesteps=timesteps, sigmas=sigmas)
        return levels[:-1] if sigmas and sigmas[-1] else levels

    def outward(self, x: Tensor, level: Level) -> Tensor:
        """Our x (B, C, h, w) at a level -> as this class has it."""
        return x / level.alpha if self.exploding else x

    def inward(self, x: Tensor, level: Level) -> Tensor:
        """The other way: x (B, C, h, w) as this class has it -> ours."""
        return x * level.alpha if self.exploding else x

    @property
    def betas(self) -> Tensor:
        """The noise each training step adds, (T,)."""
        betas = schedules.betas(self.schedule.config)
        return schedules.zero_terminal_snr(betas) if self.schedule.config.get("rescale_betas_zero_snr") else betas

    @property
    def alphas(self) -> Tensor:
        """1 - betas, (T,)."""
        return 1 - self.betas

    @property
    def alphas_cumprod(self) -> Tensor:
        """The share of signal in the variance after each training step, (T,)."""
        return torch.from_numpy(self.schedule.signal).float()

    @property
    def final_alpha_cumprod(self) -> Tensor:
        """The share of signal where DDIM and PNDM end, ()."""
        return torch.tensor(self.schedule.final.alpha**2)

    @property
    def sigmas(self) -> Tensor:
        """Noise per signal at each of ``timesteps`` and at the end, (len(timesteps) + 1,)."""
        if not self._calls:
            return torch.cat([torch.from_numpy(self.schedule.ve).flip(0), torch.zeros(1)]).float()
        return torch.tensor([*(call.level.ve for call in self._calls), self._levels[-1].ve])

    @property
    def init_noise_sigma(self) -> float:
        """What unit noise is multiplied with to begin a run."""
        levels = self._levels or [self.schedule.at(self.schedule.steps - 1)]
        return self.plan().start_scale(levels) / (levels[0].alpha if self.exploding else 1)

    @property
    def compatibles(self) -> list[type[Scheduler]]:
        """The classes that can be built from this config: all of them."""
        return sorted(all_classes(), key=lambda cls: cls.__name__)

    def __len__(self) -> int:
        return self.schedule.steps

    def __repr__(self) -> str:
        shown = {k: v for k, v in sorted(self.config.items()) if k != DEFAULTED}
        return f"{type(self).__name__} {json.dumps(shown, indent=2, default=str)}\n"

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``scheduler_config.json``."""
        from sukashi.weights.tensors import write_json

        write_json(Path(folder) / FILE, {k: v for k, v in self.config.items() if k != DEFAULTED})

    def stepping(self, eta: float | None = None) -> Plan:
        """The plan for ``step``, which reads what the model said by itself, with ``see``."""
        return self.plan(eta)

    def see(self, model_output: Tensor, x: Tensor, level: Level) -> Prediction:
        """What a model's output means, x being ours; all (B, C, h, w)."""
        return read(model_output, x, level, self.schedule.predicts)

    # ---------------------------------------------------------------------------------------------- step by step

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        *,
        timesteps: Iterable[float] | None = None,
        sigmas: Iterable[float] | None = None,
    ) -> None:
        """Choose the noise levels of a run; ``timesteps`` then holds one entry for each time the model is to be run."""
        self._levels = self.levels(num_inference_steps, timesteps=timesteps, sigmas=sigmas)
        self.num_inference_steps = len(self._levels) - 1
        self._calls = calls_of(self.stepping(), self._levels)
        self._begin = self._next = self._stepper = None
        self.timesteps = self._whole(torch.tensor([call.level.t for call in self._calls]).double()).to(device)

    def _whole(self, t: Tensor) -> Tensor:
        return t.float() if self.fractional else t.round().long()

    @property
    def step_index(self) -> int | None:
        """Which entry of ``timesteps`` comes next; None before the first."""
        return self._next

    @property
    def begin_index(self) -> int | None:
        """Which entry of ``timesteps`` a run begins with, where that was said."""
        return self._begin

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Say which entry of ``timesteps`` a run begins with; otherwise it is found by the first timestep."""
        self._begin = begin_index

    def index_for_timestep(self, timestep: float | Tensor) -> int:
        """The entry of ``timesteps`` that a run beginning at a timestep begins with.

        Of a repeated one the second, where a new step begins (image to image). Raises ValueError when it is not there.
        """
        found = (self.timesteps == torch.as_tensor(timestep).to(self.timesteps)).nonzero().flatten().tolist()
        if not found:
            there = ", ".join(f"{t:g}" for t in self.timesteps[:5].tolist())
            raise ValueError(f"timestep {float(timestep):g} is not among the timesteps of this run: {there}, ...")
        plms = self.plan().sampler == "plms"  # its repeated timestep is a look ahead: a run begins with the first
        return int(found[1 if len(found) > 1 and not plms else 0])

    def _call_at(self, timestep: float | Tensor) -> int:
        """Which call a timestep means: the next one, if it fits, else the one that a new run would begin with."""
        if not self._calls:
            if self.home != "DDPMScheduler":
                raise ValueError("the number of steps is not known: call set_timesteps first")
            self.set_timesteps(self.schedule.steps)
        expected = self._next if self._next is not None else self._begin
        if expected is not None and expected < len(self._calls):
            told = torch.as_tensor(timestep).to(self.timesteps)
            if bool(self.timesteps[expected] == told):
                return expected
        return self.index_for_timestep(timestep)

    def scale_model_input(self, sample: Tensor, timestep: float | Tensor | None = None) -> Tensor:
        """The sample (B, C, h, w) as the model sees it: of unit variance."""
        if not self.exploding:
            return sample
        if timestep is None:
            raise ValueError(f"{type(self).__name__} scales by the noise level: a timestep is needed")
        return sample * self._calls[self._call_at(timestep)].level.alpha

    def step(
        self,
        model_output: Tensor,
        timestep: float | Tensor,
        sample: Tensor,
        eta: float | None = None,
        *,
        generator: Generators = None,
        variance_noise: Tensor | None = None,
        return_dict: bool = True,
    ) -> Any:
        """From a timestep to the next: model_output and sample, both (B, C, h, w), -> a ``SchedulerOutput`` or tuple.

        ``eta`` is DDIM's and TCD's fresh noise, drawn by ``generator`` or given as ``variance_noise``. A run may begin
        anywhere in ``timesteps`` and the sample may be changed between steps. ``pred_original_sample`` can be
        differentiated by model_output and sample, ``prev_sample`` cannot.
        """
        index = self._call_at(timestep)
        call = self._calls[index]
        if self._stepper is None or index != self._next or eta != self._eta:
            self._stepper, self._eta = self._new_stepper(call.first, eta), eta
        x = self.inward(sample.float(), call.level)
        seen = self.see(model_output.float(), x, call.level)
        draw = self.noise(sample, generator) if variance_noise is None else lambda: variance_noise
        own = Prediction(seen.x0.detach().clone(), seen.eps.detach().clone())  # what the caller has is the caller's
        x_next, used = self._stepper.tell(x.detach().clone(), own, draw)
        self._next = index + 1
        to = self._calls[self._next].level if self._next < len(self._calls) else self._levels[-1]
        x0 = seen.x0 if seen.x0.requires_grad else used.x0.clone()
        out = SchedulerOutput(self.outward(x_next, to).to(sample.dtype), x0.to(sample.dtype))
        return out if return_dict else (out.prev_sample, out.pred_original_sample)

    def _new_stepper(self, first: int, eta: float | None) -> Stepper:
        plan, levels = self.stepping(eta), self._levels

        def start(denoise: Denoise, x: Tensor, noise: Noise) -> Iterator[Step]:
            return plan.run(denoise, x, levels, noise, first)

        return Stepper(start, asks_once=plan.calls(len(levels) - 1) == len(levels) - 1)

    def noise(self, like: Tensor, generator: Generators) -> Noise:
        """A source of noise in the shape, type and place of ``like``, as diffusers draws it."""
        return lambda: randn(like.shape, generator, like.device, like.dtype).float()

    # ---------------------------------------------------------------------------------------------- the other way

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Clean samples and noise, both (B, C, h, w), mixed as they are at timesteps (B,)."""
        levels = [self._level(float(t)) for t in timesteps]
        signal = [1.0 if self.exploding else level.alpha for level in levels]
        sigma = [level.ve if self.exploding else level.sigma for level in levels]
        return column(signal, original_samples) * original_samples + column(sigma, original_samples) * noise

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What a v-prediction model is trained to say: alpha noise - sigma sample, (B, C, h, w)."""
        levels = [self.schedule.at(float(t)) for t in timesteps]
        return column([v.alpha for v in levels], sample) * noise - column([v.sigma for v in levels], sample) * sample

    def _level(self, t: float) -> Level:
        """The level of this run at a timestep, or the training's where the run has none there."""
        told = self.timesteps == torch.tensor(t).to(self.timesteps)
        return self._calls[self.index_for_timestep(t)].level if self._calls and told.any() else self.schedule.at(t)


def column(values: Iterable[float], like: Tensor) -> Tensor:
    """Numbers (B,) as a tensor (B, 1, 1, 1), to multiply ``like`` (B, C, h, w) with."""
    return torch.tensor(list(values), device=like.device, dtype=like.dtype).view(-1, *[1] * (like.dim() - 1))


def all_classes(of: type[Scheduler] = Scheduler) -> Iterator[type[Scheduler]]:
    """Every scheduler class there is."""
    for cls in of.__subclasses__():
        yield cls
        yield from all_classes(cls)
