"""A run of the sampler, to be looked at while it goes on, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from PIL.Image import Image
from torch import Tensor, no_grad

from sukashi.diffusion.types import Level, Step
from sukashi.precision import NumericalError
from sukashi.rich import AsPictures, AsRun, AsStep
from sukashi.settings import Settings

TEXT_TO_IMAGE = "text-to-image"


class ShownStep(AsStep, Step):
    """A ``Step`` that a notebook can show."""


@dataclass(frozen=True, kw_only=True)
class Run(AsRun):
    """Pictures being made: iterating yields one ``Step`` per move; leaving the loop cancels.

    Each iteration starts anew and holds its own state, so that two threads may iterate at once.
    """

    requests: Sequence[Settings]  # one per picture, every default filled in, the seed drawn
    levels: Sequence[Level]  # n + 1 levels of n steps, noisiest first
    sampler: str  # keys of the sampler and the grid that are run, whoever chose them
    grid: str
    calls: int  # times the U-Net will be run
    x: Tensor  # (B, C, h, w) at levels[0]
    walk: Callable[[], Iterator[Step]]  # starts the sampler
    notes: list[str] = field(default_factory=list)  # what was decided, guessed or left out, also while running
    task: str = TEXT_TO_IMAGE
    options: Sequence[Mapping[str, Any]] = ()  # of another task, one per picture, as JSON values

    def __len__(self) -> int:
        """Number of steps."""
        return len(self.levels) - 1

    def __iter__(self) -> Iterator[Step]:
        """Walk from ``levels[0]`` to ``levels[-1]``. Raises NumericalError naming the step and the layer."""
        steps = self.walk()
        for i in count(1):
            try:
                with no_grad():
                    step = next(steps)
            except StopIteration:
                return
            except NumericalError as error:
                raise NumericalError(f"step {i} of {len(self)} (t = {self.levels[i - 1].t:g}): {error}") from error
            yield ShownStep(*step)


@dataclass(frozen=True, kw_only=True)
class Result(AsPictures):
    """Finished pictures and everything needed to make them again."""

    images: list[Image]
    requests: Sequence[Settings]  # one per picture
    latents: Tensor  # (B, C, h, w), clean
    notes: Sequence[str]
    model: str  # name or path as it was loaded
    loading: Mapping[str, Any] = field(default_factory=dict)  # what it was loaded with beside that: device, dtype, ...
    sampler: str  # keys of the sampler and the grid that were run
    grid: str
    calls: int  # U-Net calls
    seconds: float
    task: str = TEXT_TO_IMAGE
    options: Sequence[Mapping[str, Any]] = ()  # of another task, one per picture

    def record(self, k: int = 0) -> dict[str, Any]:
        """How picture k was made, as JSON values: enough for ``sukashi replay``."""
        from sukashi import __version__

        return {
            "version": __version__,
            "task": self.task,
            "model": self.model,
            "loading": dict(self.loading),
            "sampler": self.sampler,
            "grid": self.grid,
            "settings": self.requests[k].to_dict(),
            **({"options": dict(self.options[k])} if self.options else {}),
        }
