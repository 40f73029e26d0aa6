"""Sukashi (透かし): Stable Diffusion you can see through.

>>> import sukashi
>>> pipe = sukashi.load("kirie")
>>> picture = pipe("a girl with glasses eating pizza", seed=1).images[0]
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
__all__ = ["Pipeline", "__version__", "load"]

_LAZY = {"load": "sukashi.loading", "Pipeline": "sukashi.pipeline"}


def __getattr__(name: str) -> Any:
    """Import torch only when something that needs it is asked for, so that ``sukashi --help`` is instant."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'sukashi' has no attribute {name!r}")
