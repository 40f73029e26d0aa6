"""What a task hands to a run: levels, where it begins, what the U-Net is told, what is wrapped around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.types import Denoise, Level, Noise

Guide = Callable[[Callable[..., Tensor], str, Conditioning, Conditioning, float], Denoise]
"""(unet, predicts, wanted, unwanted, guidance) -> a denoiser, for models with guidance of their own."""


@dataclass(frozen=True, kw_only=True)
class Beginning:
    """The state that a sampler is started with; made anew for every walk, so that each draws the same noise."""

    x: Tensor  # (B, C, h, w) at the level the walk begins at
    noise: Noise  # what the sampler draws from
    extra: Tensor | None = None  # (B, C', h, w) channels beside the latent
    noise_level: Tensor | None = None  # (B,) x4 upscaler
    wrap: Callable[[Denoise], Denoise] | None = None  # around the guided U-Net

    def tell(self, given: Conditioning) -> Conditioning:
        """What the prompt says and what the task says besides."""
        return replace(given, extra=self.extra, noise_level=self.noise_level)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One of ``sukashi.tasks`` made ready for a request."""

    name: str  # as records call it
    levels: list[Level]  # all of the grid; the run walks those from ``first`` to ``last``
    first: int
    last: int  # the run ends at ``levels[last]``
    calls: int  # of the U-Net
    begin: Callable[[], Beginning]
    options: Sequence[Mapping[str, Any]]  # one per picture: what is asked beside ``Settings``, as JSON values
    guide: Guide | None = None
