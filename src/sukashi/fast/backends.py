"""Which of torch's attention kernels is quickest here, found by trying them once per kind of shape.

torch takes the first that can compute a shape, by a fixed order; which one is quickest depends on the GPU, the width of
a head and the number of tokens. Each is tried on numbers of that shape, its answer compared with torch's own choice,
and the quickest right one is kept.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from sukashi.fast.ops import TOLERANCE, waves

Kind = tuple[torch.device, torch.dtype, int, int, int, int]  # device, type, width of a head, heads, queries, keys
OWN = "torch's choice"
GAIN = 0.97  # of the time of torch's own choice: what takes longer than this is not worth leaving it
RUNS = 5  # of which the median counts

BACKENDS: dict[str, SDPBackend | None] = {
    OWN: None,
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}


@dataclass(frozen=True)
class Choice:
    """What was found for one kind of shape."""

    name: str
    seconds: dict[str, float]  # of those that work
    refused: dict[str, str]  # why the others do not

    def __str__(self) -> str:
        times = ", ".join(f"{name} {1e3 * value:.3g} ms" for name, value in self.seconds.items())
        return f"{self.name} ({times})"


def attend(name: str, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k^T / sqrt(d)) v, each (B, heads, tokens, d), by one of ``BACKENDS``."""
    backend = BACKENDS[name]
    if backend is None:
        return F.scaled_dot_product_attention(q, k, v)
    with sdpa_kernel(backend):
        return F.scaled_dot_product_attention(q, k, v)


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """The median time of a call, on a GPU by the GPU's own clock."""
    found = []
    for _ in range(RUNS + 1):
        if device.type == "cuda":
            events = [torch.cuda.Event(enable_timing=True) for _ in range(2)]  # type: ignore[no-untyped-call]
            events[0].record()
            call()
            events[1].record()
            torch.cuda.synchronize(device)
            found.append(events[0].elapsed_time(events[1]) / 1e3)
        else:
            start = time.perf_counter()
            call()
            found.append(time.perf_counter() - start)
    return statistics.median(found[1:])


def kind_of(q: Tensor, k: Tensor) -> Kind:
    """What a choice is made for: tokens are counted to the next power of two, rows by heads as well."""
    up: Callable[[int], int] = lambda n: 1 << (n - 1).bit_length()  # noqa: E731
    return q.device, q.dtype, q.shape[-1], up(q.shape[0] * q.shape[1]), up(q.shape[2]), up(k.shape[2])


def measure(
    q: Tensor, k: Tensor, v: Tensor, clock: Callable[[Callable[[], object], torch.device], float] = seconds
) -> Choice:
    """Try every backend on these very tensors."""
    expected, refused, found = attend(OWN, q, k, v), {}, {}
    limit = 2 * TOLERANCE.get(q.dtype, 1e-5) * expected.abs().max().item()
    for name in BACKENDS:
        try:
            error = (attend(name, q, k, v) - expected).abs().max().item()
            if not error <= limit:
                raise RuntimeError(f"off by {error:.1e}")
            found[name] = clock(lambda name=name: attend(name, q, k, v), q.device)  # type: ignore[misc]
        except RuntimeError as error:  # "No available kernel": it is not for this type, width or GPU
            refused[name] = (str(error).splitlines() or ["?"])[0]
    best = min(found, key=found.__getitem__)
    return Choice(best if found[best] <= GAIN * found[OWN] else OWN, found, refused)


class Backends:
    """(q, k, v) -> attention by the quickest kernel. What was found is kept; threads may share it."""

    def __init__(self, measure: Callable[[Tensor, Tensor, Tensor], Choice] = measure) -> None:
        self.measure, self.lock, self.found = measure, threading.Lock(), dict[Kind, Choice]()

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """softmax(q k^T / sqrt(d)) v, each (B, heads, tokens, d)."""
        return attend(self.choice(q, k, v).name, q, k, v)

    def choice(self, q: Tensor, k: Tensor, v: Tensor) -> Choice:
        """What is used for such a shape, measured at the first call."""
        kind = kind_of(q, k)
        if (known := self.found.get(kind)) is not None:
            return known
        if q.is_cuda and torch.cuda.is_current_stream_capturing():
            return Choice(OWN, {}, {})  # nothing can be timed while a graph is recorded
        with self.lock:
            if kind not in self.found:
                with torch.no_grad():
                    self.found[kind] = self.measure(q.detach(), k.detach(), v.detach())
        return self.found[kind]


BEST = Backends()  # of this process: what was measured once is known to every pipeline

USUAL = {  # (rows, heads, queries, keys, width of a head) of a guided step
    "SD 1.5, 512 pixels": (2, 8, 4096, 4096, 40),
    "SD 1.5, 512 pixels, 32 x 32 cells": (2, 8, 1024, 1024, 80),
    "SD 1.5, words": (2, 8, 4096, 77, 40),
    "SDXL, 1024 pixels": (2, 10, 4096, 4096, 64),
    "SDXL, words": (2, 10, 4096, 77, 64),
}


def usual(device: torch.device, dtype: torch.dtype, shapes: dict[str, Sequence[int]] | None = None) -> dict[str, str]:
    """What is chosen for the layers that take longest, in words: for ``sukashi doctor``."""
    found = {}
    for name, (rows, heads, queries, keys, width) in (shapes or USUAL).items():
        q, k, v = (
            x.to(device) for x in waves(dtype, *((rows, heads, tokens, width) for tokens in (queries, keys, keys)))
        )
        found[name] = str(BEST.choice(q, k, v))
    return found
