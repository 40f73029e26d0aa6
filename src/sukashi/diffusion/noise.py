"""Noise: one source per picture, drawn on the host, so that a seed means the same everywhere.

Picture k of a batch uses seed + k with a generator of its own, for its first latent and for every later draw: it can be
made again alone, in any batch and on any device. Two kinds are known by name:

- ``cpu``: torch's Mersenne Twister, as ``torch.Generator("cpu")`` draws it (diffusers and ComfyUI on any machine);
- ``nv``: Philox 4x32-10 with Box-Muller, as CUDA draws it (A1111 on a GPU): Salmon et al. 2011, "Parallel random
  numbers: as easy as 1, 2, 3", sec. 3.3; Box & Muller 1958.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sukashi.diffusion.philox import nv
from sukashi.diffusion.types import Noise

Draw = Callable[[Sequence[int]], Tensor]  # shape -> unit normal noise, a fresh one at every call


def torch_cpu(seed: int) -> Draw:
    """Noise as ``torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))`` draws it."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return lambda shape: torch.randn(tuple(shape), generator=generator)


KINDS: dict[str, Callable[[int], Draw]] = {"cpu": torch_cpu, "nv": nv}


def per_picture(
    seeds: Sequence[int], shape: Sequence[int], kind: str = "cpu", device: torch.device | str = "cpu"
) -> Noise:
    """A source of noise (B, *shape) for a batch of ``len(seeds)`` pictures, each row from its own generator.

    >>> batch, alone = per_picture([7, 8], (4, 2, 2)), per_picture([8], (4, 2, 2))
    >>> bool((batch()[1] == alone()[0]).all())
    True

    Raises ValueError for an unknown ``kind`` and for a seed outside 0 .. 2**64 - 1.
    """
    draw = of_any_shape(seeds, kind, device)
    return lambda: draw(shape)


def of_any_shape(seeds: Sequence[int], kind: str = "cpu", device: torch.device | str = "cpu") -> Draw:
    """As ``per_picture``, the shape of one picture's noise said at every draw: shape -> (B, *shape)."""
    if kind not in KINDS:
        raise ValueError(f"unknown kind of noise {kind!r}; known: {', '.join(KINDS)}")
    for seed in seeds:
        if not 0 <= seed < 2**64:
            raise ValueError(f"seed {seed} is outside 0 .. 2**64 - 1")
    draws = [KINDS[kind](seed) for seed in seeds]
    return lambda shape: torch.stack([draw(shape) for draw in draws]).to(device)
