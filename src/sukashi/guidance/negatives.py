"""Guidance that weighs a negative prompt apart from the prompt: three branches, unwanted being the empty prompt."""

from __future__ import annotations

from torch import Tensor

from sukashi.guidance.rule import Rule, Said


def independent(scale: float, negative_scale: float) -> Rule:
    """Out = u + s (c - u) - k (n - u), with a scale k for the negative prompt n.

    ``inject`` in the code of Ban et al. 2024, arXiv:2406.02965. k = s - 1 is the usual guidance away from n.
    """

    def rule(said: Said) -> Tensor:
        u, c, n = said.outs["unwanted"], said.outs["wanted"], said.outs["negative"]
        return u + scale * (c - u) - negative_scale * (n - u)

    return rule


def perpendicular(scale: float, weight: float) -> Rule:
    """Perp-Neg: only what the negative prompt adds across the prompt's direction is taken away.

    Armandpour et al. 2023, arXiv:2304.04968, eq. 8-9: with d_c = c - u and d_n = n - u,
    out = u + s (d_c - w (d_n - <d_n, d_c> / |d_c|^2 d_c)). A negative prompt that overlaps the prompt cannot undo it.
    """

    def rule(said: Said) -> Tensor:
        u = said.outs["unwanted"]
        d_c, d_n = said.outs["wanted"] - u, said.outs["negative"] - u
        return u + scale * (d_c - weight * (d_n - along(d_n, d_c)))

    return rule


def along(d: Tensor, axis: Tensor) -> Tensor:
    """The part of d (B, C, H, W) along ``axis``, picture by picture; nothing along an axis of length 0."""
    a, b = d.flatten(1).double(), axis.flatten(1).double()
    square = (b * b).sum(dim=1)
    part = (a * b).sum(dim=1) / square.where(square > 0, 1.0)
    return (part[:, None, None, None] * axis.double()).to(d.dtype)
