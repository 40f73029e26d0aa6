"""Memory for weights in other layouts: asked for before it is taken, and given back to the system where it can be."""

from __future__ import annotations

import ctypes
import sys
import threading

import torch
from torch import Tensor

from sukashi.memory import amount, free

SHARE = 0.5  # of the memory that is free when the first layer asks
PAGE, PAGEOUT = 4096, 21  # of Linux; MADV_PAGEOUT since 5.4


class Budget:
    """Bytes that the copies of one network may take; threads may ask at once."""

    def __init__(self, limit: int | None = None) -> None:
        self.limit, self.taken, self.refused, self.lock = limit, 0, 0, threading.Lock()

    def take(self, count: int) -> bool:
        """Whether ``count`` bytes may be had; they are then taken."""
        with self.lock:
            if self.limit is None:
                there = free_memory()
                self.limit = sys.maxsize if there is None else int(SHARE * there)
            fits = self.taken + count <= self.limit
            self.taken, self.refused = self.taken + count * fits, self.refused + count * (not fits)
        return fits

    @property
    def note(self) -> str:
        """What was refused, in words; "" when nothing was."""
        if not self.refused:
            return ""
        return (
            f"no memory for {amount(self.refused)} of faster weights ({amount(self.taken)} taken): plain layers there"
        )


def free_memory() -> int | None:
    """Bytes of main memory that can be had."""
    return free(torch.device("cpu"))


def page_out(weight: Tensor) -> None:
    """Tell the system that a weight will hardly be read again: pages of a mapped file need not stay in memory.

    MADV_PAGEOUT never loses anything: what is no file stays where it is, or goes to swap, and is read back when needed.
    """
    if sys.platform != "linux" or not weight.is_contiguous():
        return
    start = -(-weight.data_ptr() // PAGE) * PAGE
    length = (weight.data_ptr() + weight.numel() * weight.element_size() - start) // PAGE * PAGE
    if length > 0:
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), PAGEOUT)
