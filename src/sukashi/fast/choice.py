"""Which techniques are used on which machine, in which type of number, and why not where not.

What is here was measured alone; the numbers, the machines and what did not pay are in docs/benchmarks.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import torch

from sukashi.fast import ops
from sukashi.fast.backends import BEST, Backends
from sukashi.fast.budget import Budget
from sukashi.fast.kept import Kept


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the choice depends on."""

    capability: str  # "DEFAULT", "AVX2" or "AVX512" as torch says
    amd: bool
    bf16: bool  # whether oneDNN has products in bfloat16,
    f16: bool = False  # in float16


@dataclass(kw_only=True)
class Tools:
    """What the layers of one twin share: which techniques are on, and where they keep what they make."""

    winograd: bool = False
    packed: bool = False
    enlarging: bool = False
    words: bool = False  # keys and values of the prompt once per run
    chunked: bool = False  # attention in portions
    linear: bool = False
    wide: bool = False  # layers in float32 between weights in half precision
    lean: bool = False  # sums in place, feed-forward layers in portions, normalisation inside Winograd convolutions
    fused: bool = False  # channels last, normalisation and SiLU in one
    backends: Backends | None = None  # which kernel attention takes
    eighths: bool = False  # linear layers in float8: an approximation
    notes: tuple[str, ...] = ()  # what is missing here that another machine has
    kept: Kept = field(default_factory=Kept)
    told: Kept = field(default_factory=Kept)
    budget: Budget = field(default_factory=Budget)

    @property
    def names(self) -> list[str]:
        """The techniques that are on, in words."""
        words = {
            "winograd": "Winograd convolutions with normalisation inside",
            "packed": "packed convolution weights",
            "enlarging": "upsampling inside the convolution",
            "words": "keys and values of the prompt once per run",
            "chunked": "attention in portions",
            "linear": "linear layers by oneDNN",
            "wide": "weights widened a layer at a time",
            "lean": "sums in place, feed-forward layers in portions",
            "fused": "channels last, normalisation and SiLU in one",
            "backends": "the quickest kernel for attention",
            "eighths": "linear layers in float8 (approximate)",
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
        f16=not ops.problem("oneDNN linear", torch.float16),
    )


def choose(device: torch.device, dtype: torch.dtype, machine: Machine | None = None) -> Tools:
    """The techniques for a network on ``device`` in ``dtype``.

    On a CPU: Winograd only in float32 (in half precision its transforms lose too many digits). oneDNN's float32
    products only on AMD with AVX-512, where MKL does not use it. Half precision that the processor has no units for is
    computed in float32. Attention in portions where products in bfloat16 are faster than the fused kernel. On CUDA the
    fused normalisation where Triton is there. Elsewhere only what is exact.
    """
    if device.type == "cuda":
        unfused = ops.problem("fused normalisation", dtype)
        return Tools(words=True, fused=not unfused, backends=BEST, notes=(unfused,) if unfused else ())
    if device.type != "cpu":
        return Tools(words=True)
    machine = machine or this_machine()
    units = {torch.bfloat16: machine.bf16, torch.float16: machine.f16}
    given, dtype = dtype, dtype if units.get(dtype, True) else torch.float32  # what layers compute in
    single, brain = dtype == torch.float32, dtype == torch.bfloat16
    packed = ops.problem("packed convolution", dtype) if single or brain else "-"
    fast = machine.capability == "AVX512" and machine.amd
    linear = ops.problem("oneDNN linear", dtype) if single and fast else "-"
    notes = [problem for problem in (packed, linear) if len(problem) > 1]
    if given != dtype:
        notes.append(f"no units for {str(given)[6:]} on this processor: each layer computes in float32")
    return Tools(
        winograd=single,
        packed=not packed,
        enlarging=single or brain,
        words=True,
        chunked=brain,
        linear=not linear,
        wide=given != dtype,
        lean=single or brain,
        notes=tuple(notes),
    )
