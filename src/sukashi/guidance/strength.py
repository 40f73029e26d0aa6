"""The critical step of a negative prompt: where its attention is strongest beside the prompt's."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sukashi.diffusion.denoiser import Conditioning, UNetLike, ask, read
from sukashi.diffusion.types import Denoise, Level, Prediction
from sukashi.guidance.attention import map_size, watched


class Strength(NamedTuple):
    """What a run showed: at each call's level, the attention to the negative prompt over that to the prompt."""

    levels: list[Level]
    ratios: list[float]

    @property
    def critical(self) -> Level:
        """The level where the ratio is highest."""
        return self.levels[max(range(len(self.ratios)), key=self.ratios.__getitem__)]

    @property
    def peaks(self) -> bool:
        """Whether the ratio is highest before the end of the run."""
        return self.critical.sigma > self.levels[-1].sigma


def measured(
    net: nn.Module,
    guard: Callable[[nn.Module], UNetLike],
    predicts: str,
    wanted: Conditioning,
    negative: Conditioning,
    scale: float,
) -> tuple[Denoise, Strength]:
    """A denoiser with the negative prompt from the start, and what its cross-attention will have shown after a run.

    Ban et al. 2024, arXiv:2406.02965, sec. 3, as in its code: r_i = S-_i / S+_i at call i, where S sums over heads
    and layers the mean square of the attention maps, brought to the size of the latent; the middle block and maps at
    an eighth of the latent are left out. Every token of both prompts counts, also the start and the padding. The
    critical step is where r peaks. Both prompts are asked at every ``scale``, also where guidance needs but one.
    """
    found = Strength([], [])
    layers: list[Tensor] = []  # of the call going on: strength (2B,) of each layer
    size = [0, 0]

    def see(name: str, probabilities: Tensor) -> None:
        h, w = map_size(probabilities.shape[2], *size)
        if "mid_block" not in name and size[0] < 8 * h:
            layers.append(strength(probabilities, (h, w), (size[0], size[1])))

    unet, both = guard(watched(net, see)), negative + wanted

    def denoise(x: Tensor, level: Level) -> Prediction:
        size[:] = x.shape[2:]
        layers.clear()
        out_n, out_w = ask(unet, torch.cat([x, x]), level, both).chunk(2)
        minus, plus = torch.stack(layers).sum(dim=0).chunk(2)
        found.levels.append(level)
        found.ratios.append(float(minus.sum() / plus.sum()))
        return read(out_n + scale * (out_w - out_n), x, level, predicts)

    return denoise, found


def strength(probabilities: Tensor, small: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Attention (B, heads, N, T) -> (B,): maps of ``small``, brought to ``size``, squared; mean, summed over heads."""
    maps = torch.unflatten(probabilities.transpose(2, 3), 3, small)  # (B, heads, T, h', w')
    large = F.interpolate(maps.flatten(0, 1), size=size, mode="bicubic").clamp(min=0)
    return large.square().mean(dim=(1, 2, 3)).view(maps.shape[:2]).sum(dim=1)
