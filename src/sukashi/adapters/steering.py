"""Adapters at work in a run: a U-Net that is called like any other, with control networks and image prompts around it.

Nothing is remembered between calls: when an adapter acts is told from the training step that the U-Net is asked about,
and which rows of a batch it acts on comes with the conditioning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from sukashi.diffusion.denoiser import Conditioning, UNetLike
from sukashi.diffusion.types import Level
from sukashi.nets.unet import UNet

Residuals = Callable[[Tensor, Tensor, Tensor, Mapping[str, Any]], list[Tensor]]
"""(x, t, context, what else the U-Net is told) -> what is added to its skips and its middle."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """The stretch of a run in which an adapter acts, by the training step t: ``after`` < t <= ``until``."""

    until: float = math.inf
    after: float = -math.inf

    def holds(self, t: float) -> bool:
        """Whether the adapter acts at t."""
        return self.after < t <= self.until


def window(start: float, stop: float, levels: Sequence[Level]) -> Window:
    """From the fraction ``start`` to the fraction ``stop`` of a run of n steps over ``levels`` (n + 1 of them).

    Step i (from 0) is inside when i / n >= start and (i + 1) / n <= stop, as in diffusers. Between two levels a sampler
    is still in the earlier step.
    """
    n = len(levels) - 1
    first, end = math.ceil(start * n - 1e-9), math.floor(stop * n + 1e-9)
    if first >= end:
        return Window(until=-math.inf)
    told = [torch.tensor(level.t).item() for level in levels]  # t as the U-Net is told it, in float32
    return Window(until=told[first] if first else math.inf, after=told[end] if end < n else -math.inf)


@dataclass(frozen=True, kw_only=True)
class Act:
    """One adapter in one run. A ControlNet has ``residuals``; others have another U-Net made of the given one."""

    window: Window
    residuals: Residuals | None = None
    rebuild: Callable[[UNet, bool], UNet] | None = None  # (U-Net, whether it acts now) -> a copy that shares weights
    tokens: tuple[Tensor, Tensor] | None = None  # of an image prompt, (1, I, D): wanted, unwanted
    wanted_only: bool = False  # guess mode: the rows of a negative prompt are left alone


def tell(given: Conditioning, acts: Sequence[Act], *, wanted: bool) -> Conditioning:
    """What a U-Net with ``acts`` around it is told: image tokens behind those of the text, and the rows to act on."""
    count = len(given.context)
    images = [act.tokens[0 if wanted else 1].expand(count, -1, -1) for act in acts if act.tokens]
    if images:
        given = replace(given, context=torch.cat([given.context, *[i.to(given.context) for i in images]], dim=1))
    if acts:  # in main memory, so that nobody has to wait for a GPU to know it
        given = replace(given, acted_on=torch.full((count,), wanted))
    return given


def steered(net: UNet, guard: Callable[[nn.Module], UNetLike], acts: Sequence[Act]) -> UNetLike:
    """``guard(net)`` with ``acts`` around it: residuals are summed, copies made when they are first needed.

    ``guard`` makes a callable of a network, which is given residuals in its own precision. Every conditioning has to
    have come through ``tell``.
    """
    behind = sum(act.tokens[0].shape[1] for act in acts if act.tokens)  # tokens in the context that are no words
    made: dict[tuple[bool, ...], UNetLike] = {}

    def call(
        x: Tensor, t: Tensor, context: Tensor, *, acted_on: Tensor | None = None, step: float | None = None, **more: Any
    ) -> Tensor:
        step = (t[0] if step is None else torch.tensor(step)).item()
        now = {id(act): act.window.holds(step) for act in acts}
        others = tuple(now[id(act)] for act in acts if act.rebuild)
        if others not in made:
            made[others] = guard(rebuilt(net, acts, now))
        words = context[:, : context.shape[1] - behind] if behind else context  # itself: what is read of it is kept
        found = []
        for act in acts:
            if act.residuals and now[id(act)]:
                rows = acted_on if act.wanted_only else None
                found.append(on_rows(act.residuals, rows, x, t, words, more))
        if not found:
            return made[others](x, t, context, **more)
        total = [sum(parts[1:], parts[0]) for parts in zip(*found, strict=True)]
        return made[others](x, t, context, residuals=total, **more)

    return call


def rebuilt(net: UNet, acts: Sequence[Act], now: Mapping[int, bool]) -> UNet:
    """The U-Net as all ``acts`` want it; image prompts first, which look for attention layers by their names."""
    for act in sorted(acts, key=lambda act: act.tokens is None):
        if act.rebuild:
            net = act.rebuild(net, now[id(act)])
    return net


def on_rows(
    residuals: Residuals, rows: Tensor | None, x: Tensor, t: Tensor, words: Tensor, more: Mapping[str, Any]
) -> list[Tensor]:
    """Residuals of a batch, or of the rows (B,) that are true and zeros elsewhere."""
    if rows is None:
        return residuals(x, t, words, more)
    which = rows.nonzero()[:, 0].to(x.device, non_blocking=True)
    part = {key: value[which] if isinstance(value, Tensor) else value for key, value in more.items()}
    own = residuals(x[which], t[which], words[which], part)
    return [r.new_zeros(len(x), *r.shape[1:]).index_copy_(0, which, r) for r in own]
