"""Variations of a seed: its noise, turned towards another's."""

from __future__ import annotations

from torch import Tensor


def varied(noise: Tensor, other: Tensor, strength: float) -> Tensor:
    """From ``noise`` towards ``other`` (both (B, C, h, w)) on a great circle, 0 .. 1 of the way: a seed's variations.

    Shoemake 1985, "Animating rotation with quaternion curves". Each column of each channel has an arc of its own, as in
    A1111 (``modules/rng.py``), so that its variation seeds mean the same here.
    """
    low, high = noise / noise.norm(dim=2, keepdim=True), other / other.norm(dim=2, keepdim=True)
    angle = (low * high).sum(dim=2, keepdim=True).clamp(-1, 1).acos()  # (B, C, 1, w)
    near, far = ((1 - strength) * angle).sin() / angle.sin(), (strength * angle).sin() / angle.sin()
    line = angle.sin() < 1e-3  # no arc between equal directions
    return near.where(~line, 1 - strength) * noise + far.where(~line, strength) * other
