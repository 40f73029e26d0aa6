"""LoRAs as A1111 writes them into its text: tags in the prompt, and the hashes of their files."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from sukashi.adapters.lora.find import fetch_lora, lora_hash
from sukashi.prompts.names import networks
from sukashi.settings import Settings


def spoken_loras(asked: Settings) -> tuple[str, dict[str, Any]]:
    """The prompt with a tag for each LoRA that is not named in it, and "Lora hashes" for all whose files are there."""
    in_prompt = networks(asked.prompt)[1] if asked.emphasis != "none" else []
    sources = {network.name: network.name for network in in_prompt}
    tags = []
    for source, *numbers in asked.loras or []:
        weight, text = (*numbers, *(1.0, None)[len(numbers) :])[:2]
        name = Path(source).stem if Path(source).suffix else Path(source).name
        sources[name] = source
        tags.append(f"<lora:{name}:{weight:g}>" if text in (None, weight) else f"<lora:{name}:{text:g}:{weight:g}>")
    hashes = {name: digest for name, source in sources.items() if (digest := hash_of(source))}
    spoken = {"Lora hashes": ", ".join(f"{name}: {digest}" for name, digest in hashes.items())} if hashes else {}
    return " ".join([asked.prompt, *tags]).strip() if tags else asked.prompt, spoken


def hash_of(source: str) -> str | None:
    """A1111's hash of a LoRA's file; None where that is not to be found any more."""
    try:
        path = fetch_lora(source, offline=True)
        found = path.stat()
        return hash_once(path.resolve(), found.st_size, found.st_mtime_ns)
    except (OSError, ValueError):
        return None


@lru_cache(maxsize=256)
def hash_once(path: Path, size: int, changed: int) -> str:
    """The hash, computed anew only when the file is another one."""
    return lora_hash(path)
