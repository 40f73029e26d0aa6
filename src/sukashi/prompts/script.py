"""A prompt as a script: what is said during which steps, in how many voices (AND), with what weight.

The order is A1111's: AND divides the prompt, each piece changes with the steps on its own, and what is then said is
weighed and cut into chunks by ``encode``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from sukashi.prompts.changes import schedule

AND = re.compile(r"\bAND\b")
VOICE = re.compile(r"(.*?)(?:\s*:\s*([+-]?(?:\d+\.?\d*|\.\d+)))?\s*", re.DOTALL)


class Voice(NamedTuple):
    """One of several prompts at once; ``weight`` scales its guidance."""

    text: str | None
    weight: float = 1.0


class Scene(NamedTuple):
    """What holds up to and including step ``last`` (counted from 1); one entry for every picture of a batch."""

    last: int
    wanted: tuple[tuple[Voice, ...], ...]  # pictures, voices: as many for every picture
    unwanted: tuple[str | None, ...]


def voices(prompt: str) -> list[Voice]:
    """``a AND b:0.6`` -> its pieces with their weights; a prompt without AND is one voice and keeps its colons.

    (A1111 reads ``:0.6`` at the end of any prompt as a weight, so that "a clock at 12:30" is drawn 30 times as strong.)
    """
    pieces = AND.split(prompt)
    if len(pieces) == 1:
        return [Voice(prompt)]
    found = []
    for piece in pieces:
        match = VOICE.fullmatch(piece)
        text, weight = match.groups() if match else (piece, None)
        found.append(Voice(text.strip(), 1.0 if weight is None else float(weight)))
    return found


def script(prompts: Sequence[str | None], negatives: Sequence[str | None], steps: int) -> list[Scene]:
    """Scenes that cover a run of ``steps`` steps, for a batch of prompts and as many negative prompts.

    None is 'nothing said'. Negative prompts change with the steps too, but have no voices: AND is a word in them, as it
    is in A1111. Pictures with fewer voices than others get silent ones of weight 0.
    """
    spoken = [[Voice(None)] if prompt is None else voices(prompt) for prompt in prompts]
    most = max(map(len, spoken), default=0)
    spoken = [[*those, *[Voice("", 0.0)] * (most - len(those))] for those in spoken]
    plans = [[_schedule(voice.text, steps) for voice in those] for those in spoken]
    negative = [_schedule(text, steps) for text in negatives]
    ends = {end for plan in [*(p for those in plans for p in those), *negative] for end, _ in plan}
    scenes: list[Scene] = []
    for end in sorted(ends):
        wanted = tuple(
            tuple(Voice(_at(plan, end), voice.weight) for plan, voice in zip(those, said, strict=True))
            for those, said in zip(plans, spoken, strict=True)
        )
        scene = Scene(end, wanted, tuple(_at(plan, end) for plan in negative))
        if scenes and scenes[-1][1:] == scene[1:]:
            scenes.pop()  # nothing new: the scene before goes on
        scenes.append(scene)
    return scenes


def _schedule(text: str | None, steps: int) -> Sequence[tuple[int, str | None]]:
    return [(steps, None)] if text is None else schedule(text, steps)


def _at(plan: Sequence[tuple[int, str | None]], step: int) -> str | None:
    return next(text for end, text in plan if step <= end)
