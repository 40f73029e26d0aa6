"""A plan is everything decided before a run: the sampler with its options, and the grid of levels it will walk."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sukashi.diffusion.grids import Grid, given_sigmas, given_timesteps
from sukashi.diffusion.pndm import plms_visits
from sukashi.diffusion.registry import SAMPLERS, Walk
from sukashi.diffusion.schedule import NoiseSchedule
from sukashi.diffusion.types import CLEAN, Denoise, Level, Noise, Step

End = Callable[[NoiseSchedule, Level], Level]
"""(schedule, the last level visited) -> where the run ends."""


def clean_end(schedule: NoiseSchedule, last: Level) -> Level:
    """End without any noise."""
    return CLEAN


def final_end(schedule: NoiseSchedule, last: Level) -> Level:
    """End where the schedule's ``set_alpha_to_one`` says."""
    return schedule.final


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to sample; made by ``names.resolve`` or ``from_config.plan_from_config``.

    Attributes:
        sampler: its short name, a key of ``SAMPLERS``.
        grid: the name of the grid.
        schedule: the noise the model was trained with.
        place: the grid itself.
        end: where runs end.
        options: what the sampler is called with besides.
        scaled_start: runs start from noise times the first level's sigma, as in k-diffusion, instead of unit variance.
        clip: a wrapper for the denoiser, for models whose x0 is clamped.
        skip_penultimate: place one level more and leave out the last but one (A1111 and ComfyUI, for DPM2).

    """

    sampler: str
    grid: str
    schedule: NoiseSchedule
    place: Grid
    end: End = clean_end
    options: Mapping[str, Any] = field(default_factory=dict)
    scaled_start: bool = False
    clip: Callable[[Denoise], Denoise] | None = None
    skip_penultimate: bool = False

    def __post_init__(self) -> None:
        accepted = sampler_options(SAMPLERS[self.sampler].walk)
        if unknown := set(self.options) - set(accepted):
            names, has = ", ".join(sorted(unknown)), ", ".join(accepted) or "none"
            raise ValueError(f"sampler {self.sampler} has no option {names}; it has: {has}")

    @property
    def walk(self) -> Walk:
        """The sampler's generator function."""
        return SAMPLERS[self.sampler].walk

    @property
    def stochastic(self) -> bool:
        """Whether a run draws fresh noise on its way."""
        options = {**SAMPLERS[self.sampler].options, **self.options}
        return bool(options.get("eta", options.get("tau", SAMPLERS[self.sampler].noisy)) or options.get("s_churn"))

    def levels(
        self, n: int = 0, *, timesteps: Iterable[float] | None = None, sigmas: Iterable[float] | None = None
    ) -> list[Level]:
        """The n + 1 levels of a run of n steps, or of given falling timesteps or sigmas.

        Raises ValueError where n is out of range, and where a model that predicts the noise would have to start from
        nothing but noise (a zero-SNR schedule needs v-prediction).
        """
        if timesteps is not None or sigmas is not None:
            given = given_sigmas(self.schedule, sigmas) if sigmas is not None else []
            visited = (given or given_timesteps(self.schedule, timesteps or ()))[:-1]
        else:
            visited = self.place(self.schedule, n + self.skip_penultimate)[:-1]
            visited = visited[:-1] if self.skip_penultimate else visited
        if visited[0].alpha == 0 and self.schedule.predicts == "epsilon":
            raise ValueError(
                f"timestep {visited[0].t:g} has no signal (rescale_betas_zero_snr), where a model that predicts "
                "epsilon says nothing about the picture; use prediction_type v_prediction or the leading grid"
            )
        return [*visited, self.end(self.schedule, visited[-1])]

    def begin(self, levels: list[Level], first: int = 0) -> Level:
        """The level that a run from ``first`` of ``levels`` starts at: the one to noise an image to.

        It is ``levels[first]``, but one earlier for PLMS from its second step on, whose calls diffusers counts.
        """
        return levels[plms_visits(len(levels) - 1)[first] if self.sampler == "plms" else first]

    def start_scale(self, levels: list[Level]) -> float:
        """What to multiply noise (B, C, H, W) of unit variance with to start a run from noise alone."""
        return levels[0].sigma if self.scaled_start else 1.0

    def run(self, denoise: Denoise, x: Tensor, levels: list[Level], noise: Noise, first: int = 0) -> Iterator[Step]:
        """Walk x (B, C, H, W) down ``levels``, from ``levels[first]`` on (image to image)."""
        bound: dict[str, Any] = {**SAMPLERS[self.sampler].options, **self.options}
        accepted = inspect.signature(self.walk).parameters
        offered = {
            "at": self.schedule.at_ve,
            "at_step": self.schedule.at,
            "average_v": self.schedule.predicts == "v_prediction",
            "first": first,
        }
        bound |= {key: value for key, value in offered.items() if key in accepted}
        levels = levels if "first" in accepted else levels[first:]
        return self.walk(self.clip(denoise) if self.clip else denoise, x, levels, noise, **bound)

    def calls(self, n: int) -> int:
        """How many times a run of n steps asks the model."""
        calls = SAMPLERS[self.sampler].calls
        return calls(n) if calls else n

    def table(self, n: int) -> str:
        """The levels of a run of n steps as text: i, t, sigma / alpha, alpha, signal-to-noise ratio."""
        lines = [f"{self.sampler}, {self.grid}: {n} steps, {self.calls(n)} model calls"]
        lines += [f"{'i':>4} {'t':>9} {'sigma':>10} {'alpha':>10} {'snr':>12}"]
        for i, level in enumerate(self.levels(n)):
            snr = (level.alpha / level.sigma) ** 2 if level.sigma else float("inf")
            lines += [f"{i:4d} {level.t:9.3f} {level.ve:10.5f} {level.alpha:10.6f} {snr:12.5g}"]
        return "\n".join(lines)


def sampler_options(walk: Walk) -> list[str]:
    """The options of a sampler that a user may set."""
    given = {"at", "at_step", "first", "average_v"}
    parameters = inspect.signature(walk).parameters.values()
    return [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name not in given]
