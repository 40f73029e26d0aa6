"""Noise as a CUDA device draws it, computed anywhere: Philox 4x32-10 (Salmon et al. 2011), as cuRAND has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor


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


def nv(seed: int) -> Callable[[Sequence[int]], Tensor]:
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
