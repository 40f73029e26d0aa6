"""Noise drawn as diffusers draws it: the whole batch at once from one generator, or from one generator per picture.

Our own pipelines give every picture a generator, so that it can be made again alone; here the numbers people know come
first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

Generators: TypeAlias = torch.Generator | Sequence[torch.Generator] | None


def randn(
    shape: Sequence[int],
    generator: Generators = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Unit noise of ``shape`` (B, ...), drawn where the generator lives, brought to ``device``.

    Raises ValueError when a list of generators does not have B of them, or one lives on another accelerator.
    """
    generators = [generator] if isinstance(generator, torch.Generator) or generator is None else list(generator)
    if len(generators) not in (1, shape[0]):
        raise ValueError(f"{len(generators)} generators for {shape[0]} pictures; one, or one for each, is accepted")
    device = torch.device(device)
    rows = (shape[0] if len(generators) == 1 else 1, *shape[1:])
    drawn = []
    for each in generators:
        where = each.device if each is not None else device
        if where.type not in ("cpu", device.type):
            raise ValueError(
                f"noise for {device} cannot be drawn by a generator on {where}; one on the CPU is accepted"
            )
        drawn.append(torch.randn(rows, generator=each, device=where, dtype=dtype).to(device))
    return torch.cat(drawn)
