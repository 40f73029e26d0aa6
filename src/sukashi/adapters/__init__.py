"""What is added to a loaded model from outside: LoRAs, learnt words, control networks. The model stays as it was."""

from __future__ import annotations

from sukashi.adapters.control import Control, load_control
from sukashi.adapters.ip import IPAdapter, load_ip_adapter

__all__ = ["Control", "IPAdapter", "load_control", "load_ip_adapter"]
