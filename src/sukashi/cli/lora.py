"""``--lora``: LoRAs with their weights, on the command line."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sukashi.cli.exits import Unloadable
from sukashi.settings import Settings

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def adapting(parser: argparse.ArgumentParser) -> None:
    """Options of LoRAs."""
    group = parser.add_argument_group("LoRAs and words")
    group.add_argument(
        "--lora",
        dest="loras",
        type=lora,
        action="append",
        metavar="NAME[:W[:TE]]",
        help="file, folder, hub id or name (sukashi models) with its weight, and another for the text encoders; "
        "may be given several times. <lora:NAME:W> in a prompt does the same",
    )
    group.add_argument(
        "--embedding",
        dest="embeddings",
        action="append",
        metavar="FILE",
        help="textual inversion, a file or a name (sukashi models); may be given several times. embedding:NAME in a "
        "prompt does the same",
    )


def lora(text: str) -> list[Any]:
    """``ink.safetensors:0.8:0.6`` -> name, weight, weight in the text encoders; a colon in a path stays."""
    name, numbers = text, list[float]()
    while len(numbers) < 2 and ":" in name:
        rest, _, last = name.rpartition(":")
        try:
            numbers.insert(0, float(last))
        except ValueError:
            break
        name = rest
    if not name or any(not abs(n) < 1000 for n in numbers):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME, NAME:WEIGHT or NAME:WEIGHT:WEIGHT IN THE TEXT")
    return [name, *numbers]


def with_named(pipe: Pipeline, asked: Settings) -> Pipeline:
    """The pipeline with the words and LoRAs asked for. Raises Unloadable with what is wrong with one."""
    try:
        return pipe.with_embeddings(asked.embeddings or []).with_loras(asked.loras or [])
    except ValueError as error:
        raise Unloadable(str(error)) from error
