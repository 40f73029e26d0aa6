"""Which techniques are used on which machine, in which type of number, and why not where not.

What is here was measured alone; the numbers, the machines and what did not pay are in docs/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from sukashi.fast import ops
from sukashi.fast.attention import by_onednn, by_torch
from sukashi.fast.budget import Budget
from sukashi.fast.kept import Kept


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the choice depends on."""

    capability: str  # "DEFAULT", "AVX2" or "AVX512" as torch says
    amd: bool
    bf16: bool  # whether oneDNN has products in bfloat16


@dataclass(kw_only=True)
class Tools:
    """What the layers of one twin share: which techniques are on, and where they keep what they make."""

    winograd: bool = False
    packed: bool = False
    enlarging: bool = False
    words: bool = False  # keys and values of the prompt once per run
    chunked: Callable[[Tensor, Tensor], Tensor] | None = None  # how attention in portions multiplies
    linear: bool = False
    notes: tuple[str, ...] = ()  # what is missing here that another machine has
    kept: Kept = field(default_factory=Kept)
    told: Kept = field(default_factory=Kept)
    budget: Budget = field(default_factory=Budget)

    @property
    def names(self) -> list[str]:
        """The techniques that are on, in words."""
        words = {
            "winograd": "Winograd convolutions",
            "packed": "packed convolution weights",
            "enlarging": "upsampling inside the convolution",
            "words": "keys and values of the prompt once per run",
            "chunked": "attention in portions",
            "linear": "linear layers by oneDNN",
        }
        return [said for name, said in words.items() if getattr(self, name)]


@lru_cache
def this_machine() -> Machine:
    """The processor that torch sees."""
    try:
        amd = "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        amd = False
    return Machine(
        capability=torch.backends.cpu.get_cpu_capability(),
        amd=amd,
        bf16=not ops.problem("oneDNN linear", torch.bfloat16),
    )


def choose(device: torch.device, dtype: torch.dtype, machine: Machine | None = None) -> Tools:
    """The techniques for a network on ``device`` in ``dtype``.

    On a CPU: Winograd only in float32 (in half precision its transforms lose too many digits). oneDNN's float32
    products only on AMD with AVX-512, where MKL does not use it. Attention in portions where oneDNN multiplies faster
    than the fused kernel does. Elsewhere only what is exact.
    """
    if device.type != "cpu":
        return Tools(words=True)
    machine, notes = machine or this_machine(), []
    single, brain = dtype == torch.float32, dtype == torch.bfloat16
    wide = machine.capability == "AVX512"
    packed = ops.problem("packed convolution", dtype) if single or (brain and machine.bf16) else "-"
    linear = ops.problem("oneDNN linear", dtype) if single and wide and machine.amd else "-"
    notes = [problem for problem in (packed, linear) if len(problem) > 1]
    multiply = by_torch if brain and machine.bf16 else by_onednn if not linear else None
    return Tools(
        winograd=single,
        packed=not packed,
        enlarging=single or (brain and machine.bf16),
        words=True,
        chunked=multiply,
        linear=not linear,
        notes=tuple(notes),
    )
