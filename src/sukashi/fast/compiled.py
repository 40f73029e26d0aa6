"""``compile=True``: networks through ``torch.compile``, which writes kernels for this machine; minutes the first time.

On a GPU kernels are tried out against each other ("max-autotune"), on a CPU they are C++. What was compiled is kept on
the disk, in ~/.cache/sukashi/compiled unless TORCHINDUCTOR_CACHE_DIR names another place. The first answer is compared
with that of the network as it is; where it is another one, or compiling fails, that is said and the network runs as it
is.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from sukashi.fast.choice import Tools
from sukashi.fast.eighths import prepare
from sukashi.fast.kept import Kept
from sukashi.fast.twin import Quick, place, twin
from sukashi.nets.shallow import twin_of
from sukashi.nets.unet import UNet
from sukashi.nets.vae import VAE

CACHE = "~/.cache/sukashi/compiled"
LIMITS = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}  # of the largest value
GPU_MODE = "max-autotune-no-cudagraphs"  # graphs are recorded by ``graphs``


class Attempt:
    """``quick``, as long as it works and its first answer is that of ``plain``; ``plain`` from the first failure on."""

    def __init__(self, quick: Callable[..., Tensor], plain: Callable[..., Tensor], tell: Callable[[str], None]) -> None:
        self.quick: Callable[..., Tensor] | None = quick
        self.plain, self.tell, self.trusted = plain, tell, False

    def __call__(self, *inputs: Any, **named: Any) -> Tensor:
        """As ``plain``."""
        if self.quick is None or torch.is_grad_enabled():
            return self.plain(*inputs, **named)
        try:
            out = self.quick(*inputs, **named)
            if not self.trusted:
                self.check(out, self.plain(*inputs, **named))
        except Exception as error:  # a compiler may raise anything
            self.quick = None
            self.tell(f"not compiled: {(str(error).strip().splitlines() or [type(error).__name__])[0]}")
            return self.plain(*inputs, **named)
        self.trusted = True
        return out

    def check(self, out: Tensor, expected: Tensor) -> None:
        """Raise ArithmeticError where the two are not the same computation."""
        error = ((out.float() - expected.float()).abs().max() / expected.float().abs().max()).item()
        if not error <= LIMITS.get(expected.dtype, 1e-3) and torch.isfinite(expected).all():
            raise ArithmeticError(f"what was compiled is off by {error:.1e}")


class Compiled:
    """net -> the network compiled, around ``inner``; networks that somebody watches run as they are."""

    def __init__(self, inner: Quick, compile: Callable[..., Any] | None = None) -> None:
        self.inner, self.compile, self.said = inner, compile or compiled, list[str]()
        self.made: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    @property
    def notes(self) -> list[str]:
        """What could not be compiled, and why."""
        return [*self.said, *self.inner.notes]

    def __call__(self, net: Any) -> Any:
        """What is to be run in the place of ``net``."""
        plain = self.inner(net)
        if plain is net or type(net) not in (UNet, VAE):
            return plain
        if plain not in self.made:  # which is another one when layers of the network were replaced
            self.made[plain] = self.prepared(net, plain)
        return self.made[plain]

    def fresh(self, net: Any, words: Kept) -> Any:
        """For a recorded graph: the same; what was compiled reads the prompt at every call."""
        return self(net)

    def prepared(self, net: Any, plain: Any) -> Any:
        """A U-Net as a function; an autoencoder as a twin whose ``decode`` is compiled."""
        source, tell = net, self.said.append
        if self.inner.eighths and type(net) is UNet:
            source = prepare(twin(net, Tools(eighths=True, kept=self.inner.kept)))
        device = place(net)[0]
        if type(net) is UNet:
            return Attempt(self.compile(source, device), plain, tell)
        made = twin_of(plain, VAE)
        vars(made)["decode"] = Attempt(self.compile(source.decode, device), plain.decode, tell)
        return made


def compiled(call: Any, device: torch.device) -> Callable[..., Tensor]:
    """``torch.compile`` with what suits a device; nothing is compiled before the first call."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(Path(CACHE).expanduser()))
    mode = GPU_MODE if device.type == "cuda" else None
    return cast("Callable[..., Tensor]", torch.compile(call, mode=mode, dynamic=False))
