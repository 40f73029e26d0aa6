"""Pages of mapped files: which weights lie in one, and giving back the memory of those that are hardly read again.

A weight that is read where it lies in its file takes memory only as long as the system keeps those pages.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from mmap import PAGESIZE

import numpy as np
from torch import Tensor

DONTNEED, PAGEOUT = 4, 21  # of Linux; MADV_PAGEOUT since 5.4


def in_files(weights: Iterable[Tensor]) -> int:
    """Bytes of those weights that lie in files mapped into memory; 0 where the system does not say."""
    spans = []
    try:
        with open("/proc/self/maps", "rb") as file:  # names in it may be in any encoding
            for line in file:
                span, _, _, _, inode = line.split(maxsplit=5)[:5]
                if inode != b"0":
                    spans.append(tuple(int(end, 16) for end in span.split(b"-")))
    except OSError:
        return 0
    starts = np.array([first for first, _ in spans], dtype=np.uint64)  # the system lists them in order
    total = 0
    for weight in weights:
        k = int(np.searchsorted(starts, np.uint64(weight.data_ptr()), side="right")) - 1
        total += weight.nbytes if k >= 0 and weight.data_ptr() < spans[k][1] else 0
    return total


def page_out(weight: Tensor, *, written: bool = True) -> None:
    """Tell the system that a weight will hardly be read again: pages of a mapped file need not stay in memory.

    Pages that hold what the file holds are only let go: the system may keep the file for whoever reads it next. Where a
    page was written to, nothing may be lost: MADV_PAGEOUT puts such pages away and reads them back when needed, or
    nothing is done unless ``written``.
    """
    if sys.platform != "linux" or weight.device.type != "cpu" or not weight.is_contiguous():
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
