"""How much a picture counts in each block of the U-Net: one number, or a mapping as diffusers writes it.

``{"up": {"block_0": [0.0, 1.0, 0.0]}}`` takes only the style of a picture, ``{"down": {"block_2": [0.0, 1.0]}}`` in an
SDXL its layout (Wang et al. 2024, InstantStyle, arXiv:2404.02733, sec. 3.2). What is not named is 0.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Scales = float | Mapping[str, Any]
_NAME = re.compile(r"(down|up|mid)_block(?:s\.(\d+))?\.attentions\.(\d+)\.")


def scales_of(names: Iterable[str], wanted: Scales) -> dict[str, float]:
    """The scale of every cross-attention, by the names of their transformer blocks.

    Raises ValueError for a block that has no cross-attention, and for a list that is not as long as the block has.
    """
    if isinstance(wanted, int | float):
        return dict.fromkeys(names, float(wanted))
    found = {name: (match[1], f"block_{match[2]}", int(match[3])) for name in names if (match := _NAME.match(name))}
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for part, block, k in found.values():
        counts[part, block] = max(counts[part, block], k + 1)
    check(wanted, counts)
    return {name: one(wanted, *place) for name, place in found.items()}


def one(wanted: Mapping[str, Any], part: str, block: str, k: int) -> float:
    """The scale of attention k of a block."""
    value = wanted.get(part, 0.0)
    value = value.get(block, 0.0) if isinstance(value, Mapping) else value
    return float(value[k if len(value) > 1 else 0] if isinstance(value, list | tuple) else value)


def check(wanted: Mapping[str, Any], counts: Mapping[tuple[str, str], int]) -> None:
    """Raises ValueError for what does not fit blocks with so many cross-attentions."""
    for part, value in wanted.items():
        there = {block: count for (other, block), count in counts.items() if other == part}
        if not there:
            raise ValueError(f"there are no scales for {part!r}; accepted: down, mid, up")
        for block, own in value.items() if isinstance(value, Mapping) else dict.fromkeys(there, value).items():
            if block not in there:
                raise ValueError(f"{part} has no cross-attention in {block!r}; it has some in {', '.join(there)}")
            given = own if isinstance(own, list | tuple) else [own]
            if len(given) not in (1, there[block]):
                raise ValueError(f"{len(given)} scales for {part} {block}; it has {there[block]} cross-attentions")
            if not all(isinstance(scale, int | float) for scale in given):
                raise ValueError(f"the scale of {part} {block} is {own!r}; a number, or a list of them, is accepted")
