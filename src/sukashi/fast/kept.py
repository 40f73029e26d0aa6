"""What is computed from a weight once and kept as long as the weight is, and stays what it was."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Hashable
from typing import Any

from torch import Tensor


def state_of(x: Tensor) -> tuple[Hashable, ...]:
    """Changes when the numbers of a tensor may have changed: written in place, moved, or given other storage."""
    return x.data_ptr(), x.dtype, x.device, -1 if x.is_inference() else x._version


class Kept:
    """Things made from tensors: dropped with them, made anew when they change. Threads may share it."""

    def __init__(self) -> None:
        self.made: dict[tuple[Hashable, int], tuple[weakref.ref[Tensor], Hashable, Any]] = {}
        self.lock = threading.Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Kept:
        """A copied network has other tensors: it begins with nothing."""
        return Kept()

    def get(self, kind: Hashable, source: Tensor, make: Callable[[], Any], *more: Tensor) -> Any:
        """``make()``, or what it returned before for this ``kind`` and ``source``; it may depend on ``more`` tensors.

        What cannot be seen to change (a tensor of ``torch.inference_mode``) is known by being the same tensor.
        """
        key, state = (kind, id(source)), (state_of(source), *map(state_of, more))
        found = self.made.get(key)
        if found is not None and found[0]() is source and found[1] == state:
            return found[2]
        value = make()
        with self.lock:
            self.made[key] = weakref.ref(source, lambda _: self.made.pop(key, None)), state, value
        return value
