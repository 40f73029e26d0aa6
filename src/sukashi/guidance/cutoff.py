"""Adaptive guidance: once both branches say the same, only one is asked."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from sukashi.diffusion.denoiser import read
from sukashi.diffusion.types import Denoise, Level, Prediction
from sukashi.guidance.rule import Branch, Rule, Said, hearing


def cut_off(branches: Sequence[Branch], predicts: str, rule: Rule, without: Rule, similarity: float) -> Denoise:
    """``rule`` until the cosine of eps_u and eps_c reaches ``similarity``, from the next call on ``without`` u.

    Castillo et al. 2023, arXiv:2312.12487, sec. 4 (threshold 0.991). Each picture of a batch is cut off on its own, so
    that it is the same in any company; the second branch is saved when the last one is. The denoiser remembers which
    are, so every run needs its own.
    """
    hear_all, hear_rest = hearing(branches), hearing([branch for branch in branches if branch.name != "unwanted"])
    done: Tensor | None = None

    def denoise(x: Tensor, level: Level) -> Prediction:
        nonlocal done
        over = done is not None and bool(done.all())
        said = (hear_rest if over else hear_all)(x, level)
        out = without(said)
        if not over:
            out = rule(said) if done is None else torch.where(done[:, None, None, None], out, rule(said))
            reached = cosine(said, predicts) >= similarity
            done = reached if done is None else done | reached
        return read(out, x, level, predicts, **said.outs)

    return denoise


def cosine(said: Said, predicts: str) -> Tensor:
    """The cosine (B,) between the noise that the unwanted and the wanted prompt see."""
    u, c = (read(said.outs[name], said.x, said.level, predicts).eps for name in ("unwanted", "wanted"))
    return F.cosine_similarity(u.flatten(1).double(), c.flatten(1).double(), dim=1)
