"""LoRAs and words that a request names: in its settings, or in a prompt as ``<lora:ink:0.8>``, ``embedding:name``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sukashi.places import find
from sukashi.prompts.names import networks, spell_words
from sukashi.run import Run
from sukashi.settings import Settings

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def run_with_named(pipe: Pipeline, prompts: Sequence[str], asked: Settings, options: Mapping[str, Any]) -> Run | None:
    """``pipe.steps`` of a pipeline that has what is named; None where it has all of it already.

    ``options`` are those of ``steps``. The pipeline given stays as it is; requests keep their prompts as they were
    written. Raises ValueError when the prompts of one batch name different LoRAs, and what ``with_lora`` and
    ``with_embedding`` raise.
    """
    spoken = asked.emphasis != "none"  # else nothing in a prompt is syntax
    read = [networks(prompt) if spoken else (prompt, []) for prompt in prompts]
    if any(found != read[0][1] for _, found in read):
        raise ValueError("the prompts of one batch name different LoRAs; draw them one after another")
    with_given = pipe.with_embeddings(missing(asked.embeddings, pipe.defaults.get("embeddings")))
    with_given = with_given.with_loras(missing(asked.loras, pipe.defaults.get("loras")))
    tagged = [[n.name, n.unet_weight, n.text_weight, *([n.rank] if n.rank else [])] for n in read[0][1]] if read else []
    others = (asked.negative_prompt, asked.prompt_2, asked.negative_prompt_2)
    words = words_in([*prompts, *filter(None, others)], with_given) if spoken else []
    whole = with_given.with_embeddings(words).with_loras(tagged)
    if whole is pipe:
        return None
    own = {name: whole.defaults.get(name) for name in ("loras", "embeddings")}
    run = whole.steps([text for text, _ in read], **{**options, **own, "count": 1})
    kept: dict[str, Any] = {name: with_given.defaults.get(name) for name in own}
    requests = [replace(r, prompt=prompt, **kept) for r, prompt in zip(run.requests, prompts, strict=True)]
    run.notes.extend(str(report) for report in whole.loras[len(pipe.loras) :])
    run.notes.extend(learned(pipe, whole, {name: path for path, name in words}))
    return replace(run, requests=requests)


def learned(pipe: Pipeline, whole: Pipeline, paths: Mapping[str, str]) -> list[str]:
    """What is to be said of the words that ``whole`` has beside those of ``pipe``; ``paths`` has their files."""
    known, added = (one.parts.tokenizers[0].added for one in (pipe, whole))
    new = {name: len(ids) for name, ids in added.items() if name not in known}
    counts = {name: "1 vector" if count == 1 else f"{count} vectors" for name, count in new.items()}
    return [f"the word {n!r}: {said}" + (f" of {paths[n]}" if n in paths else "") for n, said in counts.items()]


def missing(wanted: Sequence[Any] | None, there: Sequence[Any] | None) -> list[Any]:
    """What is asked for and not in the pipeline yet."""
    return [record for record in wanted or [] if record not in (there or [])]


def words_in(texts: Sequence[str], pipe: Pipeline) -> list[list[str]]:
    """File and word for each ``embedding:name``, and each name of ``pipe.words``, that the pipeline lacks.

    Those without a file, and those of ``pipe.words`` that are for another family, are left out: they stay plain text.
    """
    known = {word.lower() for word in pipe.parts.tokenizers[0].added}
    found = {}
    for name in dict.fromkeys(name for text in texts for name in spell_words(text, known)[1]):
        try:
            path = find("embedding", name)
        except FileNotFoundError:
            continue  # the prompt's reader says that there is no such word
        found[Path(name).stem if Path(name).suffix == path.suffix else name] = path
    for name, path in pipe.words.items():
        said = name.lower() not in known and any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", t, re.I) for t in texts)
        if said and name not in found and fits(pipe, path, name):
            found[name] = path
    return [[str(path), name] for name, path in found.items()]


def fits(pipe: Pipeline, path: Path, name: str) -> bool:
    """Whether a textual inversion is for this kind of model and its name is free."""
    try:
        pipe.with_embedding(path, name)
    except ValueError:
        return False
    return True
