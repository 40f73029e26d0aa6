"""Control by a picture of edges, depth, poses ...: ControlNet and T2I-Adapter."""

from __future__ import annotations

from sukashi.adapters.control.load import Control, load_control

__all__ = ["Control", "load_control"]
