"""DeepCache: what the deep layers of the U-Net say changes slowly, so most steps take it from an earlier one.

Ma et al. 2023, "DeepCache: Accelerating Diffusion Models for Free", arXiv:2312.00858, sec. 3.2 and 3.3: every ``every``
calls the whole network is run; between them only the outermost way, here the first ``branch`` layers down, the last
``branch + 1`` layers up and the convolutions around them. An approximation: docs/benchmarks.md has its error.

>>> pipe("a cat", deepcache=3)  # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.fast.kept import Kept
from sukashi.nets.shallow import twin_of
from sukashi.nets.unet import Stage, UNet, sinusoid


@dataclass
class Run:
    """What one run over one prompt remembers."""

    calls: int = 0
    deep: Tensor | None = None  # what entered the last ``branch + 1`` layers up


class DeepCached(UNet):
    """A U-Net that runs whole only every ``every``-th time that it is asked about the same prompt tensor."""

    every: int
    branch: int
    runs: Kept

    def forward(self, x: Tensor, t: Tensor, context: Tensor, **told: Any) -> Tensor:
        """As ``UNet.forward``; with residuals of a ControlNet every call is whole."""
        if told.get("residuals") or torch.is_grad_enabled():
            return super().forward(x, t, context, **told)
        run: Run = self.runs.get(id(self), context, Run)  # copies with other attention may hear the same prompt
        whole = run.calls % self.every == 0 or run.deep is None or run.deep.shape[0] != len(x)
        run.calls += 1
        emb = self.embedded(x, t, **told)
        x = self.conv_in(x)
        skips, down, last = [x], cast("Stage", self.down_blocks[0]), cast("Stage", self.up_blocks[-1])
        if whole:
            for block in self.down_blocks:
                x = block(x, emb, context, skips)
            x = self.mid_block(x, emb, context)
            for block in list(self.up_blocks)[:-1]:
                x = block(x, emb, context, skips)
        else:
            for resnet, attention in list(down.layers())[: self.branch]:
                x = resnet(x, emb) if attention is None else attention(resnet(x, emb), context)
                skips.append(x)
        layers = list(last.layers())
        first = 0 if whole else len(layers) - 1 - self.branch
        for k, (resnet, attention) in enumerate(layers[first:], first):
            if k == len(layers) - 1 - self.branch:
                x = run.deep = x if whole else run.deep  # type: ignore[assignment]
            x = resnet(torch.cat([x, skips.pop()], dim=1), emb)
            x = x if attention is None else attention(x, context)
        return self.conv_out(F.silu(self.conv_norm_out(x)))

    def embedded(
        self,
        x: Tensor,
        t: Tensor,
        noise_level: Tensor | None = None,
        pooled: Tensor | None = None,
        sizes: Tensor | None = None,
        guidance: Tensor | None = None,
        residuals: object = (),
    ) -> Tensor:
        """The time, and what else is told, as a vector (B, E): the first lines of ``UNet.forward``."""
        emb: Tensor = self.time_embedding(sinusoid(t, self.config.channels[0]).to(x.dtype), guidance)
        if noise_level is not None:
            emb = emb + self.class_embedding(noise_level)
        if pooled is not None and sizes is not None:
            waves = sinusoid(sizes.flatten(), self.config.size_dim).view(len(sizes), -1)
            emb = emb + self.add_embedding(torch.cat([pooled, waves.to(pooled.dtype)], dim=-1))
        return emb


def deep_cached(net: UNet, every: int = 3, branch: int = 0) -> DeepCached:
    """A twin of a U-Net that shares its layers; every run that a sampler makes of it begins whole.

    Raises ValueError for an interval below 1 and for a ``branch`` that the finest resolution has no layers for.
    """
    if every < 1:
        raise ValueError(f"deepcache is {every}; a whole number of at least 1 is accepted")
    if not 0 <= branch <= net.config.resnets:
        raise ValueError(f"branch is {branch}; this U-Net has branches 0..{net.config.resnets}")
    twin = twin_of(net, DeepCached)
    twin.every, twin.branch, twin.runs = every, branch, Kept()
    return twin
