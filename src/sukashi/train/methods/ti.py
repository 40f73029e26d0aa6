"""Textual inversion: a new word, whose vectors are all that trains (Gal et al. 2022, arXiv:2208.01618)."""

from __future__ import annotations

from pathlib import Path

from sukashi.pipeline import Pipeline
from sukashi.train.data.examples import Examples
from sukashi.train.methods.config import Config
from sukashi.train.methods.loop import Result, Watch, teach
from sukashi.train.methods.rows import with_taught_word
from sukashi.train.methods.taught import Facts, Taught
from sukashi.train.methods.templates import said_of_all, sentence
from sukashi.train.outputs.words import write_word
from sukashi.weights.parts import Parts


def train(
    model: Pipeline | Parts,
    examples: Examples,
    config: Config,
    folder: Path,
    watch: Watch = lambda step, loss: None,
) -> Result:
    """Teach ``config.word`` from pictures; it begins as the word ``config.start``.

    What is said of a picture is a sentence around the word (``config.templates``: "object" or "style"), or with
    "captions" its own caption, in which the word must stand. Files: ``<word>.safetensors`` as diffusers has it and
    ``<word>.pt`` as A1111 has it (of SDXL: ``clip_l`` and ``clip_g`` in one file). Raises ValueError for a word that
    the model knows already, a start that it does not know, and captions without the word.
    """
    if config.templates == "captions":
        check_captions(examples, config.word)
    return teach("ti", prepare, model, examples, config, folder, watch)


def prepare(base: Parts, config: Config) -> Taught:
    """The word's rows train, nothing else."""
    parts, rows = with_taught_word(base, config)

    def caption(text: str, chance: float) -> str:
        return text if config.templates == "captions" else sentence(config.templates, config.word, chance)

    def write(folder: Path, facts: Facts) -> list[Path]:
        return write_word(folder, config.word, [row.detach() for row in rows.values()], facts)

    notes = () if config.templates == "captions" else (said_of_all(config.templates, config.word),)
    return Taught(parts=parts, trained={}, trained_text=rows, write=write, caption=caption, notes=notes)


def check_captions(examples: Examples, word: str) -> None:
    """Raise ValueError, naming the picture, where a caption does not say the word."""
    for example in examples:
        if not example.prior and word.lower() not in example.caption.lower():
            raise ValueError(f"{example.path or 'a picture'}: its caption {example.caption!r} does not say {word!r}")
