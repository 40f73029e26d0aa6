"""``sukashi train ti|lora|dreambooth|finetune|custom``: teach a model something from a folder of pictures."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from sukashi.cli.exits import OK, Misuse
from sukashi.cli.options import loading
from sukashi.cli.teach_options import asked

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline
    from sukashi.train.data.examples import Examples
    from sukashi.train.methods.config import Config


def teach(args: argparse.Namespace) -> int:
    """Train, then print as JSON which files were written."""
    from sukashi.train.data.folders import read_examples
    from sukashi.train.methods.config import Config

    config = Config(**asked(args))
    examples = read_examples(
        args.data,
        prompt=caption_for(args, config),
        column=args.column,
        repeats=args.repeats,
        class_folder=getattr(args, "class_folder", None),
        class_prompt=getattr(args, "class_prompt", None),
    )
    out, pipe = Path(args.out).expanduser(), model(args)
    if args.dry_run:
        return dry_run(args.deed, pipe, examples, config, out)
    method = import_module(f"sukashi.train.methods.{args.deed}")
    try:
        result = method.train(pipe, examples, config, out, watch=progress(config.filled(args.deed).steps or 0))
    except ModuleNotFoundError as error:  # of the extra [train]
        raise Misuse(str(error)) from error
    loss = result.loss if result.loss == result.loss else None  # none was left to do
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    if result.files:  # of several processes one has written them
        print(json.dumps({"files": [str(file) for file in result.files], "steps": result.steps, "loss": loss}))
    return OK


def caption_for(args: argparse.Namespace, config: Config) -> str | None:
    """The caption of pictures that have none: the prompt, or for a word that is taught the word itself."""
    if args.prompt is None and args.deed in ("ti", "custom"):
        return config.word
    return str(args.prompt) if args.prompt is not None else None


def model(args: argparse.Namespace) -> Pipeline:
    """The model in float32 on the CPU; training moves a copy of it to where it runs."""
    from sukashi.cli.model import load

    parser = argparse.ArgumentParser()
    loading(parser)
    usual = vars(parser.parse_args([]))  # of every option that training does not have
    return load(argparse.Namespace(**{**usual, **vars(args), "device": "cpu", "dtype": "float32", "json": True}))


def dry_run(method: str, pipe: Pipeline, examples: Examples, config: Config, out: Path) -> int:
    """Print what would be done with the data, and write ``crops.png``."""
    from sukashi.metadata.picture import save_picture
    from sukashi.train.methods.plan import plan

    lines, sheet = plan(method, pipe, examples, config)
    print("\n".join(lines))
    print(save_picture(sheet, out / "crops.png", overwrite=True))
    return OK


def progress(steps: int, every: int = 50) -> Callable[[int, float], None]:
    """Says the loss on stderr: on a terminal in one line, else every ``every`` steps."""
    losses: list[float] = []

    def tell(step: int, loss: float) -> None:
        losses.append(loss)
        recent = losses[-every:]
        line = f"step {step} of {steps}, loss {sum(recent) / len(recent):.4f}"
        if sys.stderr.isatty():
            print(f"\r{line}", end="\n" if step == steps else "", file=sys.stderr, flush=True)
        elif step % every == 0 or step == steps:
            print(line, file=sys.stderr, flush=True)

    return tell
