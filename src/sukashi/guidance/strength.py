"""The critical step of a negative prompt: where its attention is strongest beside the prompt's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.diffusion.denoiser import Conditioning, UNetLike, guided
from sukashi.diffusion.plan import Plan
from sukashi.diffusion.types import Level, Noise, Prediction
from sukashi.guidance.attention import map_size, watched


class Strength(NamedTuple):
    """What a short run showed: at each call's level, the attention to the negative prompt over that to the prompt."""

    levels: Sequence[Level]
    ratios: Sequence[float]

    @property
    def critical(self) -> Level:
        """The level where the ratio is highest."""
        return max(zip(self.ratios, self.levels, strict=True), key=lambda pair: pair[0])[1]

    def step(self, levels: Sequence[Level]) -> int:
        """The first step of a run over ``levels`` with no more noise than the critical level."""
        return next(k for k, level in enumerate(levels) if level.sigma <= self.critical.sigma)


def measure(
    net: nn.Module,
    guard: Callable[[nn.Module], UNetLike],
    predicts: str,
    wanted: Conditioning,
    negative: Conditioning,
    scale: float,
    plan: Plan,
    levels: list[Level],
    x: Tensor,
    noise: Noise,
) -> Strength:
    """Draw x (B, C, h, w) down ``levels`` with the negative prompt from the start, and watch the cross-attention.

    Ban et al. 2024, arXiv:2406.02965, sec. 3, as in its code: r_i = S-_i / S+_i, where S sums the mean square of the
    attention maps, brought to the size of the latent, over heads and layers; the middle block and maps at an eighth
    of the latent are left out. The critical step is where r peaks.
    """
    sums: list[Tensor] = []
    size = (x.shape[2], x.shape[3])

    def see(name: str, probabilities: Tensor) -> None:
        h, w = map_size(probabilities.shape[2], *size)
        if "mid_block" not in name and size[0] < 8 * h:
            sums[-1] += strength(probabilities, (h, w), size)

    inner = guided(guard(watched(net, see)), predicts, wanted, negative, scale)
    seen: list[Level] = []

    def denoise(x: Tensor, level: Level) -> Prediction:
        seen.append(level)
        sums.append(torch.zeros(2 * len(x), device=x.device))
        return inner(x, level)

    for _ in plan.run(denoise, x, levels, noise):
        pass
    ratios = [float(minus.sum() / plus.sum()) for minus, plus in (both.chunk(2) for both in sums)]
    return Strength(seen, ratios)


def strength(probabilities: Tensor, small: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Attention (B, heads, N, T) -> (B,): maps of ``small``, brought to ``size``, squared; mean, summed over heads."""
    maps = torch.unflatten(probabilities.transpose(2, 3), 3, small)  # (B, heads, T, h', w')
    large = F.interpolate(maps.flatten(0, 1), size=size, mode="bicubic").clamp(min=0)
    return large.square().mean(dim=(1, 2, 3)).view(maps.shape[:2]).sum(dim=1)
