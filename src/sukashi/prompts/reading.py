"""From the prompts of a run to what the U-Net is told in its course."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sukashi.diffusion.denoiser import Conditioning
from sukashi.diffusion.types import Level
from sukashi.prompts.encode import chunks_needed
from sukashi.prompts.given import MARK, fitted, refuse_unknown
from sukashi.prompts.script import Scene, Voice, script
from sukashi.prompts.stress import parse_stress
from sukashi.prompts.told import Texts, Told, tell, texts_of
from sukashi.settings import Settings
from sukashi.sizes import sized
from sukashi.weights.parts import Parts

Encode = Callable[[Texts, int], Conditioning]
"""(one text for each picture, how many chunks at least) -> what the U-Net is told."""


def read_run(
    parts: Parts,
    prompts: Sequence[str],
    asked: Settings,
    levels: Sequence[Level],
    encode: Encode,
    given: Mapping[str, Conditioning],
) -> list[Told]:
    """What is told when, for a batch of prompts and the negative prompt, with equally many chunks everywhere.

    ``levels`` are the n + 1 of the run's n steps; ``given`` are embeddings by the names that stand for them
    (``given.named``). Raises ValueError for embeddings that do not fit.
    """
    for text in (*prompts, asked.negative_prompt):
        refuse_unknown(text, given)
    scenes = scenes_of(prompts, [asked.negative_prompt] * len(prompts), asked.emphasis, len(levels) - 1)
    said = [text for text in texts_of(scenes) if text not in given]
    count = 1 if asked.truncate else chunks_needed(parts, said, emphasis=asked.emphasis)
    if not given:
        return tell(scenes, levels, lambda texts: encode(texts, count))
    empty = encode((None,) * len(prompts), 1)
    longest = max(told.context.shape[1] for told in given.values())
    count = max(count, -(-longest // empty.context.shape[1]))
    tokens = count * empty.context.shape[1]

    def told(texts: Texts) -> Conditioning:
        known = given.get(texts[0] or "")
        return encode(texts, count) if known is None else fitted(known, empty, tokens)

    return tell(scenes, levels, told)


def scenes_of(prompts: Sequence[str | None], negatives: Sequence[str | None], emphasis: str, steps: int) -> list[Scene]:
    """The script of a run, or with emphasis 'none' one scene in which everything is said as it stands."""
    if emphasis == "none":
        return [Scene(steps, tuple((Voice(text),) for text in prompts), tuple(negatives))]
    return script(prompts, negatives, steps)


def words_of(told: Sequence[str], emphasis: str, steps: int) -> list[str]:
    """All that prompts say in the course of a run, without their syntax."""
    if emphasis == "none":
        return list(told)
    texts = [text for text in texts_of(script(told, [], steps)) if not MARK.fullmatch(text)]
    return [" ".join(part.text for part in parse_stress(text) if not part.breaks) for text in texts]


def hear(
    pipe: Any,
    prompts: Sequence[str],
    asked: Settings,
    levels: Sequence[Level],
    given: Mapping[str, Conditioning],
    how: dict[str, Any],
    task: bool,
) -> tuple[Conditioning, Conditioning, list[Told]]:
    """What a pipeline's U-Net is told first, wanted and unwanted, and the script where that is not all.

    ``how`` are the options of the pipeline's ``encode_prompt``; its notes begin with what is unknown in the prompts.
    """
    how["notes"][:0] = pipe.remarks(words_of(prompts, asked.emphasis, len(levels) - 1), task=task)
    encode = lambda said, chunks: pipe.encode_prompt(said, chunks=chunks, **how)  # noqa: E731
    told = read_run(pipe.parts, prompts, asked, levels, encode, given)
    if len(told) > 1:
        turns = [str(one.last) for one in told[:-1]]
        shown = ", ".join(turns[:8]) + (", ..." if len(turns) > 8 else "")
        how["notes"].append(f"what is said changes after step {shown} of {told[-1].last}")
    if len(told[0].wanted) > 1:
        how["notes"].append(f"{len(told[0].wanted)} prompts at once (AND)")
    if pipe.size_numbers:  # SDXL
        told = [one.mapped(partial(sized, asked=asked), partial(sized, asked=asked, unwanted=True)) for one in told]
    return told[0].wanted[0][0], told[0].unwanted, [] if len(told) == 1 and told[0].alone else told
