"""Several pictures at a time, as many as there is memory for; and how much memory a process has held.

What a U-Net needs beside its weights grows with the rows it is given (two per picture with guidance). A call that does
not fit is made in portions of its rows, which is said; each row comes out as it would alone, to rounding.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from sukashi.fast.kept import Kept
from sukashi.memory import SPARE, amount, free
from sukashi.nets.unet import UNet, UNetConfig

PLANES = 30  # feature maps of the finest level alive at once: 24 are counted (tests/fast/test_portions.py), some spare
ASKED_FROM = 256 << 20  # bytes: below, nobody asks how much is free


def needed(config: UNetConfig, cells: int, itemsize: int) -> int:
    """Bytes that one row of so many latent cells takes beside the weights, roughly."""
    return PLANES * config.channels[0] * cells * itemsize


def fitting(config: UNetConfig, cells: int, itemsize: int, available: int | None) -> int | None:
    """How many rows there is memory for, 1 at least; None where nobody knows."""
    return None if available is None else max(1, int(SPARE * available / needed(config, cells, itemsize)))


def bytes_of(dtype: torch.dtype, device: torch.device) -> int:
    """Bytes of a number between layers: a CPU may compute in float32 what is given in half precision."""
    return max(4, dtype.itemsize) if device.type == "cpu" else dtype.itemsize


def at_once(pipe: Any, width: int, height: int, count: int, available: int | None = None) -> tuple[int, str]:
    """How many of ``count`` pictures of so many pixels a pipeline draws at a time, and that in words."""
    place = getattr(pipe.quick, "device", None) or pipe.device
    there = free(place) if available is None else available
    cells = (width // pipe.vae.config.factor) * (height // pipe.vae.config.factor)
    rows = fitting(pipe.unet.config, cells, bytes_of(pipe.dtype, place), there)
    fits = count if rows is None else min(count, max(1, rows // 2))
    return fits, f"{fits} of {count} pictures at a time" + (f": {amount(there)} free on {place}" if there else "")


class Portions:
    """net -> what runs it in portions of its rows where memory is short, around ``inner``."""

    def __init__(self, inner: Any, free: Callable[[torch.device], int | None] = free) -> None:
        self.inner, self.free, self.kept, self.said = inner, free, Kept(), dict[str, None]()

    @property
    def device(self) -> torch.device | None:
        """Where networks are moved to be run, if they are."""
        return getattr(self.inner, "device", None)

    @property
    def notes(self) -> list[str]:
        """What was done in portions, what ``inner`` has to say, and on a GPU the most memory held so far."""
        notes = [*self.said, *getattr(self.inner, "notes", ())]
        return [*notes, f"most memory held so far: {held()}"] if torch.cuda.is_available() else notes

    def __call__(self, net: Any) -> Any:
        """What is to be run in the place of ``net``."""
        plain = self.inner(net)
        if type(net) is not UNet or plain is net:
            return plain

        def run(x: Tensor, *inputs: Tensor, **told: Any) -> Tensor:
            cells, size = x.shape[2] * x.shape[3], bytes_of(x.dtype, self.device or x.device)
            one = needed(net.config, cells, size)
            if len(x) == 1 or one * len(x) < ASKED_FROM:
                return cast("Tensor", plain(x, *inputs, **told))
            there = self.free(self.device or x.device)
            rows = fitting(net.config, cells, size, there)
            if rows is None or rows >= len(x):
                return cast("Tensor", plain(x, *inputs, **told))
            short = f"{amount(one * len(x))} of {amount(there or 0)} free"
            self.said[f"the U-Net took {rows} of {len(x)} rows at a time: {short}"] = None
            return torch.cat([plain(*self.part((x, *inputs), k, rows), **{
                name: value if value is None else self.part(value, k, rows) for name, value in told.items()
            }) for k in range(0, len(x), rows)])  # fmt: skip

        return run

    def part(self, value: Tensor | Sequence[Tensor], first: int, rows: int) -> Any:
        """Rows of a tensor or of each of several; the same tensor for the same rows, so that it is known again."""
        if isinstance(value, Tensor):
            return self.kept.get((first, rows), value, lambda: value[first : first + rows])
        return [self.part(one, first, rows) for one in value]


def peaks() -> dict[str, int]:
    """The most bytes that this process has held so far: in main memory, and on each GPU."""
    scale = 1 if sys.platform == "darwin" else 1024
    found = {"main": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale}
    for k in range(torch.cuda.device_count()):
        found[f"cuda:{k}"] = torch.cuda.max_memory_reserved(k)
    return found


def held() -> str:
    """The same in words."""
    return ", ".join(f"{amount(count)} {'of main memory' if name == 'main' else f'on {name}'}"
                     for name, count in peaks().items())  # fmt: skip
