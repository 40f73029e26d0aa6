"""Keys and values of the prompt for a recorded graph: in places that stay, filled anew when the prompt changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from torch import Tensor

from sukashi.fast.kept import Kept


class FixedWords(Kept):
    """In the place of ``Kept`` for a network that reads its prompt from one tensor that others are copied into.

    ``get`` makes a value once; a graph that was recorded reads it where it lies. ``refresh`` makes all of them anew
    and writes them there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[Hashable, tuple[Callable[[], Any], Any]] = {}

    def get(self, kind: Hashable, source: Tensor, make: Callable[[], Any], *more: Tensor) -> Any:
        """``make()``, the first time; after that the same tensors."""
        if kind not in self.values:
            self.values[kind] = (make, make())
        return self.values[kind][1]

    def refresh(self) -> None:
        """Write the keys and values of what the prompt's tensor holds now."""
        for make, tensors in self.values.values():
            for old, new in zip(tensors, make(), strict=True):
                old.copy_(new)
