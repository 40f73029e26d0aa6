"""What a prompt names beside its words: networks in ``<lora:name:weight>``, installed words as ``embedding:name``."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import NamedTuple

TAG = re.compile(r"<(lora|lyco):([^<>]+)>", re.IGNORECASE)
WORD = re.compile(r"\bembedding:([^\s,()\[\]|<>:]+)", re.IGNORECASE)
KEYS = ("te", "unet", "dyn")  # what numbers without a name mean, in their order
ENDING = re.compile(r"\.(pt|bin|safetensors)$", re.IGNORECASE)


class Network(NamedTuple):
    """A LoRA or one of its kin that a prompt asks for, with its weights in the U-Net and in the text encoders."""

    name: str
    unet_weight: float = 1.0
    text_weight: float = 1.0
    rank: int | None = None  # use only the first so many of its ranks (A1111's dyn)


def networks(text: str) -> tuple[str, list[Network]]:
    """The prompt without its networks, and the networks.

    As in A1111: ``<lora:name>``, ``<lora:name:both>``, ``<lora:name:text:unet>``, ``<lora:name:text:unet:rank>``, and
    by name ``te=``, ``unet=``, ``dyn=``. ``lyco`` is another word for ``lora``. What is no such tag, as with a weight
    that is no number, is text.
    """
    found: list[Network] = []

    def take(match: re.Match[str]) -> str:
        network = _network(match[2])
        if network is None:
            return match[0]
        found.append(network)
        return ""

    return TAG.sub(take, text), found


def _network(inside: str) -> Network | None:
    """``name:0.5:unet=1`` -> a network, or None where that is not how one is written."""
    name, *rest = (item.strip() for item in inside.split(":"))
    weights: dict[str, float] = {}
    for place, item in enumerate(rest):
        key, separator, number = item.rpartition("=")
        key = key.strip() if separator else KEYS[place] if place < len(KEYS) else ""
        try:
            weights[key] = float(number)
        except ValueError:
            return None
    rank = weights.pop("dyn", None)
    if not name or set(weights) - {"te", "unet"} or not all(map(math.isfinite, (*weights.values(), rank or 0))):
        return None
    text = weights.get("te", 1.0)
    return Network(name, weights.get("unet", text), text, None if rank is None else int(rank))


def spell_words(text: str, words: Collection[str]) -> tuple[str, list[str]]:
    """``embedding:name`` (ComfyUI) -> ``name`` where that is an installed word; also returns the names that are not.

    A name may carry the ending of its file. Unknown ones stay in the text as they are.
    """
    if "embedding:" not in text.lower():
        return text, []
    known = {word.lower() for word in words}
    missing: list[str] = []

    def spell(match: re.Match[str]) -> str:
        for name in (match[1], ENDING.sub("", match[1])):
            if name.lower() in known:
                return name
        missing.append(match[1])
        return match[0]

    return WORD.sub(spell, text), missing
