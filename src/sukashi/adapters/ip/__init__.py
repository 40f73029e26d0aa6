"""Pictures as prompts: IP-Adapter."""

from __future__ import annotations

from sukashi.adapters.ip.image_prompt import IPAdapter, load_ip_adapter

__all__ = ["IPAdapter", "load_ip_adapter"]
