"""From the prompts of a run to what the U-Net is told in its course."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.types import Level
from sukashi.prompts.encode import chunks_needed
from sukashi.prompts.script import Scene, Voice, script
from sukashi.prompts.told import Texts, Told, tell, texts_of
from sukashi.settings import Settings
from sukashi.weights.parts import Parts

Encode = Callable[[Texts, int], Conditioning]
"""(one text for each picture, how many chunks at least) -> what the U-Net is told."""


def read_prompts(
    parts: Parts,
    prompts: Sequence[str | None],
    negatives: Sequence[str | None],
    asked: Settings,
    levels: Sequence[Level],
    encode: Encode,
) -> list[Told]:
    """What is told when, for a batch of prompts and as many negative ones, with equally many chunks everywhere.

    ``levels`` are all n + 1 of the run's n steps. Networks are no longer in the prompts (``names.networks``).
    """
    scenes = scenes_of(prompts, negatives, asked.emphasis, len(levels) - 1)
    count = 1 if asked.truncate else chunks_needed(parts, texts_of(scenes), emphasis=asked.emphasis)
    return tell(scenes, levels, lambda texts: encode(texts, count))


def scenes_of(prompts: Sequence[str | None], negatives: Sequence[str | None], emphasis: str, steps: int) -> list[Scene]:
    """The script of a run, or with emphasis 'none' one scene in which everything is said as it stands."""
    if emphasis == "none":
        return [Scene(steps, tuple((Voice(text),) for text in prompts), tuple(negatives))]
    return script(prompts, negatives, steps)
