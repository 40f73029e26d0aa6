"""``--control`` and ``--image-prompt``: adapters with their pictures, on the command line."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sukashi.cli.exits import Misuse

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline

NUMBER = r"\d+(?:\.\d*)?|\.\d+"
WORDS = {"guess": ("guess", True), "stretch": ("fit", "stretch"), "crop": ("fit", "crop")}


class Asked(NamedTuple):
    """One adapter as it was asked for."""

    image_prompt: bool
    model: str
    picture: str
    options: dict[str, Any]


def controlling(parser: argparse.ArgumentParser) -> None:
    """Options of control networks and image prompts."""
    group = parser.add_argument_group("pictures beside the prompt (each may be given several times)")
    group.add_argument(
        "--control",
        nargs=2,
        action="append",
        default=[],
        metavar=("MODEL", "PICTURE"),
        help="ControlNet or T2I-Adapter and its picture; PICTURE:0.8:0-0.5:guess adds a scale, a stretch of the run, "
        "guess mode; ':stretch' does not crop",
    )
    group.add_argument(
        "--image-prompt",
        nargs=2,
        action="append",
        default=[],
        metavar=("FILE", "PICTURE"),
        help="IP-Adapter and its picture; PICTURE:0.6:0-0.5 adds a scale and a stretch of the run",
    )


def asked_of(args: argparse.Namespace) -> list[Asked]:
    """What was asked for. Raises Misuse for what cannot be read, FileNotFoundError for a picture that is not there."""
    found = [(False, *pair) for pair in getattr(args, "control", ())]
    found += [(True, *pair) for pair in getattr(args, "image_prompt", ())]
    return [Asked(image, model, *parsed(picture)) for image, model, picture in found]


def parsed(text: str) -> tuple[str, dict[str, Any]]:
    """``edges.png:0.8:0-0.5:guess`` -> the picture and the options; a colon in a name of a file that is there stays."""
    path, options = text, dict[str, Any]()
    while not Path(path).expanduser().is_file() and ":" in path:
        path, _, last = path.rpartition(":")
        if re.fullmatch(NUMBER, last):
            options["scale"] = float(last)
        elif match := re.fullmatch(f"({NUMBER})-({NUMBER})", last):
            options |= {"start": float(match[1]), "stop": float(match[2])}
        elif last in WORDS:
            key, value = WORDS[last]
            options[key] = value
        else:
            words = ", ".join(WORDS)
            raise Misuse(f"{text}: {last!r} is no scale (0.8), no stretch of the run (0-0.5) and none of {words}")
    if not Path(path).expanduser().is_file():
        raise FileNotFoundError(f"{path}: no such picture (of --control or --image-prompt)")
    return path, options


def with_adapters(pipe: Pipeline, asked: list[Asked]) -> Pipeline:
    """The pipeline with all that was asked for."""
    for image_prompt, model, picture, options in asked:
        give = pipe.with_image_prompt if image_prompt else pipe.with_control
        try:
            pipe = give(model, picture, **options)
        except TypeError:
            raise Misuse(f"{', '.join(options)}: not all of that is for an image prompt") from None
    return pipe
