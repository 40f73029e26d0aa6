"""What happens from step to step, as numbers: lengths, signal-to-noise, and what guidance added.

The noise that a branch of guidance sees is read from its raw output (``denoiser.read``): e_c from the prompt, e_u from
the empty or negative one. Guidance adds a multiple of e_c - e_u to e_u.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.diffusion.denoiser import PREDICTS, read
from sukashi.diffusion.types import Step
from sukashi.watch.recording import Recording


class Point(NamedTuple):
    """One step of one picture. Lengths are root mean squares over all cells: 1 is unit noise.

    What guidance is about is None where it asked only once (guidance 1, or an LCM).
    """

    t: float  # what the U-Net was told
    to_t: float
    sigma: float  # sigma / alpha, the noise for each part of signal; infinite without signal
    alpha: float
    snr: float  # (alpha / sigma)^2
    x: float
    x0: float
    eps: float
    cond: float | None  # |e_c|
    uncond: float | None  # |e_u|
    added: float | None  # |e_c - e_u|
    cos_cond: float | None  # the cosine between e_c - e_u and e_c
    cos_uncond: float | None  # and between e_c - e_u and e_u
    seconds: float


def curves(recording: Recording, k: int = 0) -> list[Point]:
    """One point for every step of picture k."""
    pairs = zip(recording.steps, recording.seconds, strict=True)
    return [point(step, recording.predicts, k, seconds) for step, seconds in pairs]


def point(step: Step, predicts: str, k: int = 0, seconds: float = 0.0) -> Point:
    """The numbers of one step, so that a live viewer can have them too."""
    now, seen = step.now, noises(step, predicts)
    cond, uncond = (seen[name][k] if seen else None for name in ("wanted", "unwanted"))
    difference = None if cond is None or uncond is None else cond - uncond
    return Point(
        t=now.t,
        to_t=step.to.t,
        sigma=now.ve,
        alpha=now.alpha,
        snr=(now.alpha / now.sigma) ** 2 if now.sigma else math.inf,
        x=size(step.x[k]),
        x0=size(step.prediction.x0[k]),
        eps=size(step.prediction.eps[k]),
        cond=cond if cond is None else size(cond),
        uncond=uncond if uncond is None else size(uncond),
        added=difference if difference is None else size(difference),
        cos_cond=None if difference is None or cond is None else cosine(difference, cond),
        cos_uncond=None if difference is None or uncond is None else cosine(difference, uncond),
        seconds=seconds,
    )


def noises(step: Step, predicts: str) -> dict[str, Tensor]:
    """The noise (B, C, h, w) that each branch saw, by name; nothing where guidance did not ask twice.

    Also nothing where the step's own x is not what the branches were asked about (samplers that ask between levels).
    """
    parts = step.prediction.parts
    if not {"wanted", "unwanted"} <= set(parts) or predicts not in PREDICTS:
        return {}
    return {name: read(out, step.x, step.now, predicts).eps for name, out in parts.items()}


def added(step: Step, predicts: str) -> Tensor | None:
    """What guidance pushes along: e_c - e_u, (B, C, h, w)."""
    seen = noises(step, predicts)
    return seen["wanted"] - seen["unwanted"] if seen else None


def where_added(step: Step, predicts: str) -> Tensor | None:
    """How far the two branches are apart in each cell: the length of e_c - e_u over channels, (B, h, w)."""
    difference = added(step, predicts)
    return None if difference is None else difference.square().sum(dim=1).sqrt()


def size(tensor: Tensor) -> float:
    """Root mean square."""
    return float(tensor.float().square().mean().sqrt())


def cosine(a: Tensor, b: Tensor) -> float:
    """Of the angle between two tensors taken as vectors."""
    return float(F.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0))


def grey(maps: Tensor, highest: float | None = None) -> Tensor:
    """Maps (B, h, w) as images (B, 1, h, w) in [0, 1]: 0 black, ``highest`` (None: of them all) white."""
    top = float(maps.max()) if highest is None else highest
    return (maps / (top or 1.0)).clamp(0, 1)[:, None]


def table(points: Sequence[Point]) -> str:
    """The curves as text, a line a step."""
    heads = ("i", "t", "sigma", "snr", "|x|", "|x0|", "|eps|", "|e_c-e_u|", "cos e_c", "cos e_u", "ms")
    lines = ["".join(f"{head:>10}" for head in heads)]
    for i, p in enumerate(points):
        cells = (p.sigma, p.snr, p.x, p.x0, p.eps, p.added, p.cos_cond, p.cos_uncond)
        shown = "".join(f"{'-' if cell is None else format(cell, '.4g'):>10}" for cell in cells)
        lines.append(f"{i:>10}{p.t:>10.1f}{shown}{p.seconds * 1000:>10.1f}")
    return "\n".join(lines)


def stacked(recording: Recording, which: str = "x0", k: int = 0) -> Tensor:
    """One latent of every step: (steps, C, h, w) of picture k. Passes must be of one size."""
    return torch.stack([recording.latents(i, which)[k] for i in range(len(recording))])
