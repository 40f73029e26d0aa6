"""Memory that is used again at every call: fresh pages cost as much time as what is written into them."""

from __future__ import annotations

import math
import threading
from typing import overload

import torch
from torch import Tensor


class Room(threading.local):
    """What one thread uses again; each name is one piece of memory, overwritten by whoever asks next."""

    def __init__(self) -> None:
        self.held: dict[str, Tensor] = {}

    def __call__(self, name: str, like: Tensor, *shape: int) -> Tensor:
        """A tensor of this shape, with whatever is in it; the last one of this name is overwritten."""
        count, held = math.prod(shape), self.held.get(name)
        if held is None or held.numel() < count or held.dtype != like.dtype:
            self.held.pop(name, None)
            with torch.inference_mode(False):  # whoever comes next may be outside of it
                held = self.held[name] = torch.empty(count, dtype=like.dtype)
        return held[:count].view(shape)


ROOM = Room()


@overload
def alike(x: Tensor, weight: Tensor, name: str) -> Tensor: ...
@overload
def alike(x: Tensor, weight: None, name: str) -> None: ...
@overload
def alike(x: Tensor, weight: Tensor | None, name: str) -> Tensor | None: ...
def alike(x: Tensor, weight: Tensor | None, name: str) -> Tensor | None:
    """``weight`` in the type of ``x``: itself, or its numbers in the memory of that name."""
    if weight is None or weight.dtype == x.dtype or not weight.is_floating_point():
        return weight
    return ROOM(name, x, *weight.shape).copy_(weight)
