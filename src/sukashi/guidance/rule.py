"""The one interface of guidance: a rule is told what the U-Net said, and says what is to be believed.

Branches are what the U-Net is asked about one latent: 'wanted' the prompt, 'unwanted' the empty or negative one,
'negative' a negative prompt beside the empty one, 'perturbed' the prompt with damaged attention. Branches of one
network are one batch, so the cost of a rule is the number of its branches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import NamedTuple

import torch
from torch import Tensor

from sukashi.diffusion.denoiser import Conditioning, UNetLike, ask, read, rescaled
from sukashi.diffusion.types import Denoise, Level, Prediction


class Branch(NamedTuple):
    """One question: several of the same name are one prompt in parts (AND), each with its weight."""

    name: str
    unet: UNetLike
    given: Conditioning
    weight: float | Tensor = 1.0  # (B, 1, 1, 1) where the pictures differ


class Said(NamedTuple):
    """The answers by name, raw outputs (B, C, H, W), to the latent x (B, C, H, W) at ``level``."""

    x: Tensor
    level: Level
    outs: Mapping[str, Tensor]


Rule = Callable[[Said], Tensor]
"""What was said -> one raw output (B, C, H, W)."""


def steered(branches: Sequence[Branch], predicts: str, rule: Rule) -> Denoise:
    """The denoiser that asks the branches and believes the rule. ``parts`` of the prediction are the raw outputs."""
    hear = hearing(branches)

    def denoise(x: Tensor, level: Level) -> Prediction:
        said = hear(x, level)
        return read(rule(said), x, level, predicts, **said.outs)

    return denoise


def hearing(branches: Sequence[Branch]) -> Callable[[Tensor, Level], Said]:
    """What asks all branches about x, those of one network in one batch, and puts together the parts of a prompt.

    The batches of prompts are made once: what a network keeps of a prompt it finds again at every step.
    """
    batches = []
    for unet in {id(branch.unet): branch.unet for branch in branches}.values():
        mine = [k for k, branch in enumerate(branches) if branch.unet is unet]
        batches.append((unet, mine, reduce(add, [branches[k].given for k in mine])))
    first = next((k for k, branch in enumerate(branches) if branch.name == "unwanted"), 0)

    def hear(x: Tensor, level: Level) -> Said:
        heard: dict[int, Tensor] = {}
        for unet, mine, together in batches:
            heard |= zip(mine, ask(unet, torch.cat([x] * len(mine)), level, together).chunk(len(mine)), strict=True)
        outs = {}
        for name in dict.fromkeys(branch.name for branch in branches):
            parts = [(heard[k], branch.weight) for k, branch in enumerate(branches) if branch.name == name]
            outs[name] = parts[0][0] if len(parts) == 1 and is_one(parts[0][1]) else blended(heard[first], parts)
        return Said(x, level, outs)

    return hear


def is_one(weight: float | Tensor) -> bool:
    """Whether a weight changes nothing in any picture."""
    return not isinstance(weight, Tensor) and weight == 1


def blended(base: Tensor, parts: Sequence[tuple[Tensor, float | Tensor]]) -> Tensor:
    """U + sum_i w_i (c_i - u): several outputs (B, C, H, W) as if they were one, ``base`` being u.

    Without an unwanted prompt A1111 takes the first part for u, and so do we.
    """
    return base + sum(weight * (out - base) for out, weight in parts)


def alone() -> Rule:
    """The prompt alone: no guidance."""
    return lambda said: said.outs["wanted"]


def classifier_free(scale: float) -> Rule:
    """Out = u + s (c - u) (Ho & Salimans 2022, arXiv:2207.12598, eq. 6, with s = 1 + w)."""
    return lambda said: said.outs["unwanted"] + scale * (said.outs["wanted"] - said.outs["unwanted"])


def rescaling(rule: Rule, factor: float) -> Rule:
    """``rule``, then its standard deviation towards that of the prompt alone (Lin et al. 2023, arXiv:2305.08891)."""
    return lambda said: rescaled(rule(said), said.outs["wanted"], factor)
