"""Memory for weights in other layouts: asked for before it is taken, and given back to the system where it can be.

A network with its copies stays about as large as it was: where a copy takes the place of pages of a mapped file, they
are handed back and count for nothing; all others together take at most an eighth of the network, or 256 MiB.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from mmap import PAGESIZE

import numpy as np
import torch
from torch import Tensor, nn

from sukashi.memory import amount, free

SHARE = 0.5  # of the memory that is free when the first layer asks: never more than this
PART, LEAST = 1 / 8, 256 << 20  # of the network's own bytes
ASIDE = 256 << 20  # bytes of a network that is worth putting aside
DONTNEED, PAGEOUT = 4, 21  # of Linux; MADV_PAGEOUT since 5.4


class Budget:
    """Bytes that the copies of one network may take, ``limit`` at most; threads may ask at once."""

    def __init__(self, limit: int = sys.maxsize) -> None:
        self.limit, self.taken, self.refused, self.lock = limit, 0, 0, threading.Lock()
        self.asked = False

    def take(self, count: int, *, needed: bool = True) -> bool:
        """Whether ``count`` bytes may be had; they are then taken. A refusal of what is ``needed`` is noted."""
        with self.lock:
            if not self.asked and (there := free_memory()) is not None:
                self.limit = min(self.limit, int(SHARE * there))
            self.asked = True
            fits = self.taken + count <= self.limit
            self.taken, self.refused = self.taken + count * fits, self.refused + count * (needed and not fits)
        return fits

    @property
    def note(self) -> str:
        """What was refused, in words; "" when nothing was."""
        if not self.refused:
            return ""
        return (
            f"no memory for {amount(self.refused)} of faster weights ({amount(self.taken)} taken): plain layers there"
        )


def budget_of(net: nn.Module) -> Budget:
    """What the copies of the weights of a network may take."""
    own = sum(weight.numel() * weight.element_size() for weight in net.parameters())
    return Budget(max(LEAST, int(PART * own)))


def free_memory() -> int | None:
    """Bytes of main memory that can be had."""
    return free(torch.device("cpu"))


def mapped(weight: Tensor) -> bool:
    """Whether a weight lies in a file that is mapped into memory, so that ``page_out`` gives its memory back."""
    try:
        with open("/proc/self/maps", encoding="utf-8") as file:
            for line in file:
                span, _, _, _, inode = line.split(maxsplit=5)[:5]
                first, _, end = span.partition("-")
                if int(first, 16) <= weight.data_ptr() < int(end, 16):
                    return inode != "0"
    except OSError:
        pass
    return False


def put_aside(net: nn.Module) -> None:
    """Give back the memory of a large network that waits for its next turn, as far as its weights lie in files."""
    weights = list(net.parameters())
    if sum(weight.nbytes for weight in weights) >= ASIDE:
        for weight in weights:
            if weight.device.type == "cpu":
                page_out(weight, written=False)


def page_out(weight: Tensor, *, written: bool = True) -> None:
    """Tell the system that a weight will hardly be read again: pages of a mapped file need not stay in memory.

    Pages that hold what the file holds are only let go: the system may keep the file for whoever reads it next. Where a
    page was written to, nothing may be lost: MADV_PAGEOUT puts such pages away and reads them back when needed, or
    nothing is done unless ``written``.
    """
    if sys.platform != "linux" or not weight.is_contiguous():
        return
    start = -(-weight.data_ptr() // PAGESIZE) * PAGESIZE
    count = (weight.data_ptr() + weight.numel() * weight.element_size() - start) // PAGESIZE
    if count > 0 and ((clean := untouched(start, count)) or written):
        advice = DONTNEED if clean else PAGEOUT
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(count * PAGESIZE), advice)


def untouched(start: int, count: int) -> bool:
    """Whether every one of ``count`` pages from an address on is as in its file, as far as the system says."""
    try:
        with open("/proc/self/pagemap", "rb") as file:
            file.seek(start // PAGESIZE * 8)
            flags = np.frombuffer(file.read(count * 8), dtype=np.uint64)
    except OSError:
        return False
    there, away, of_file = (flags >> np.uint64(bit) & np.uint64(1) for bit in (63, 62, 61))
    return len(flags) == count and not away.any() and bool((of_file >= there).all())
