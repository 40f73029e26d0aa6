"""glibc gives memory of large blocks back to the system at once and asks for it again at the next layer.

Every page of it is then zeroed anew. Told to keep it, a process reuses what it has. This is a setting of the whole
process, so only the command line makes it (``--keep-memory``); importing sukashi never does.
"""

from __future__ import annotations

import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of mallopt(3)
KEPT = 1 << 30  # bytes: blocks up to this size, and so much free memory at the end of the heap, are kept


def keep_memory() -> bool:
    """Whether the system's allocator could be told to keep what it was given."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # musl has none
        return False
    return bool(mallopt(MMAP_THRESHOLD, KEPT)) and bool(mallopt(TRIM_THRESHOLD, KEPT))
