"""``sukashi img2img``, ``inpaint`` and their like: a task that begins from a picture, for every prompt and seed."""

from __future__ import annotations

import argparse

from sukashi.cli import draw
from sukashi.cli.task_options import OPTIONS

TASKS = {"img2img": "image_to_image"}  # where the function of ``sukashi.tasks`` is not called as the verb


def run(args: argparse.Namespace) -> int:
    """Draw; without a prompt the picture alone says what."""
    said = args.words or args.prompt is not None or args.prompt_file is not None
    prompts = draw.prompts_of(args) if said else [""]
    options = {name: getattr(args, name) for name in OPTIONS[args.verb]}
    return draw.perform(args, prompts, TASKS.get(args.verb, args.verb), options)
