"""Memory for weights in other layouts: asked for before it is taken, and given back to the system where it can be.

Where a copy takes the place of pages of a mapped file, they are handed back and count for nothing. All others together
take at most an eighth of the weights that lie in files and half of those that do not, or 256 MiB. Most of the latter
were converted, and while both lay in memory, loading took more than that. Counted once, when a copy is made.
"""

from __future__ import annotations

import sys
import threading

import torch
from torch import nn

from sukashi.memory import amount, free
from sukashi.pages import in_files, page_out

SHARE = 0.5  # of the memory that is free when the first layer asks: never more than this
OF_FILES, OF_OTHERS, LEAST = 1 / 8, 1 / 2, 256 << 20  # of the network's own bytes
ASIDE = 256 << 20  # bytes of a network that is worth putting aside


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
    weights = list(net.parameters())
    own = sum(weight.nbytes for weight in weights)
    mapped = in_files(weights) if sys.platform == "linux" else own  # elsewhere nobody says: the smaller share
    return Budget(max(LEAST, int(OF_FILES * mapped + OF_OTHERS * (own - mapped))))


def free_memory() -> int | None:
    """Bytes of main memory that can be had."""
    return free(torch.device("cpu"))


def put_aside(net: nn.Module) -> None:
    """Give back the memory of a large network that waits for its next turn, as far as its weights lie in files."""
    weights = list(net.parameters())
    if sum(weight.nbytes for weight in weights) >= ASIDE:
        for weight in weights:
            page_out(weight, written=False)
