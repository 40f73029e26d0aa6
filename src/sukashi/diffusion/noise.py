"""Noise: one source per picture, drawn on the host, so that a seed means the same everywhere.

Picture k of a batch uses seed + k with a generator of its own, for its first latent and for every later draw: it can be
made again alone, in any batch and on any device. Two kinds are known by name:

- ``cpu``: torch's Mersenne Twister, as ``torch.Generator("cpu")`` draws it (diffusers and ComfyUI on any machine);
- ``nv``: Philox 4x32-10 with Box-Muller, as CUDA draws it (A1111 on a GPU): Salmon et al. 2011, "Parallel random
  numbers: as easy as 1, 2, 3", sec. 3.3; Box & Muller 1958.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from sukashi.diffusion.types import Noise

Draw = Callable[[Sequence[int]], Tensor]  # shape -> unit normal noise, a fresh one at every call


def torch_cpu(seed: int) -> Draw:
    """Noise as ``torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))`` draws it."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return lambda shape: torch.randn(tuple(shape), generator=generator)


def philox(counter: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Ten Philox 4x32 rounds over counters (4, N) with keys (2, N), all uint32 -> random words (4, N)."""
    c, k = counter.astype(np.uint64), key.astype(np.uint64)
    low = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a, b = c[0] * np.uint64(0xD2511F53), c[2] * np.uint64(0xCD9E8D57)
        c = np.stack([(b >> np.uint64(32)) ^ c[1] ^ k[0], b & low, (a >> np.uint64(32)) ^ c[3] ^ k[1], a & low])
        k = np.stack([(k[0] + np.uint64(0x9E3779B9)) & low, (k[1] + np.uint64(0xBB67AE85)) & low])
    return c.astype(np.uint32)


UNIT = 2.0**-32
TURN = float(np.float32(2.3283064e-10 * 6.2831855))  # 2 pi / 2**32 in float32, as cuRAND has it


def nv(seed: int) -> Draw:
    """Noise as ``torch.randn(shape, device="cuda")`` draws it after ``torch.manual_seed(seed)``, one word per value."""
    calls = 0

    def draw(shape: Sequence[int]) -> Tensor:
        nonlocal calls
        n = int(np.prod(shape))
        counter = np.zeros((4, n), np.uint32)
        counter[0], counter[2] = calls, np.arange(n, dtype=np.uint32)
        key = np.array([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF], np.uint32)[:, None].repeat(n, axis=1)
        words = philox(counter, key).astype(np.float64)
        calls += 1
        u, v = (words[0] + 0.5) * UNIT, (words[1] + 0.5) * TURN
        normal = np.sqrt(-2 * np.log(u)) * np.sin(v)
        return torch.from_numpy(normal.astype(np.float32)).reshape(tuple(shape))

    return draw


KINDS: dict[str, Callable[[int], Draw]] = {"cpu": torch_cpu, "nv": nv}


def per_picture(
    seeds: Sequence[int], shape: Sequence[int], kind: str = "cpu", device: torch.device | str = "cpu"
) -> Noise:
    """A source of noise (B, *shape) for a batch of ``len(seeds)`` pictures, each row from its own generator.

    >>> batch, alone = per_picture([7, 8], (4, 2, 2)), per_picture([8], (4, 2, 2))
    >>> bool((batch()[1] == alone()[0]).all())
    True

    Raises ValueError for an unknown ``kind`` and for a seed outside 0 .. 2**64 - 1.
    """
    draw = of_any_shape(seeds, kind, device)
    return lambda: draw(shape)


def of_any_shape(seeds: Sequence[int], kind: str = "cpu", device: torch.device | str = "cpu") -> Draw:
    """As ``per_picture``, the shape of one picture's noise said at every draw: shape -> (B, *shape)."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of noise {kind!r}; known: {', '.join(KINDS)}")
    for seed in seeds:
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed {seed} is outside 0 .. 2**64 - 1")
    draws = [KINDS[kind](seed) for seed in seeds]
    return lambda shape: torch.stack([draw(shape) for draw in draws]).to(device)


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
