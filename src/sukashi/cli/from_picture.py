"""``sukashi img2img``, ``inpaint`` and their like: a task that begins from a picture, for every prompt and seed."""

from __future__ import annotations

import argparse
from typing import Any

from sukashi.cli import draw
from sukashi.cli.exits import Misuse
from sukashi.cli.task_options import OPTIONS

TASKS = {
    "img2img": "image_to_image",
    "depth": "depth_to_image",
    "hires": "two_pass",
}  # where the function of ``sukashi.tasks`` is not called as the verb


def run(args: argparse.Namespace) -> int:
    """Draw; without a prompt the picture alone says what."""
    said = args.words or args.prompt is not None or args.prompt_file is not None
    prompts = draw.prompts_of(args) if said else [""]
    if args.verb == "grid":
        args.axes = dict(axis(words) for words in (args.x, args.y, args.z) if words)
    options = {name: getattr(args, name) for name in OPTIONS[args.verb]}
    return draw.perform(args, prompts, TASKS.get(args.verb, args.verb), options)


def axis(words: str) -> tuple[str, list[Any]]:
    """``steps=5,10`` -> ("steps", [5, 10]): numbers where they are numbers."""
    name, equals, values = words.partition("=")
    if not equals or not values:
        raise Misuse(f"{words!r} is no axis; write NAME=VALUE,VALUE,... as in steps=5,10,20")
    return name.strip().replace("-", "_"), [number(value.strip()) for value in values.split(",")]


def number(text: str) -> Any:
    """A whole number, a number, or the text itself."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
