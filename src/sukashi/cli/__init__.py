"""The command ``sukashi``. Nothing here imports torch before a verb needs it, so that ``--help`` is instant."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TextIO

from sukashi.cli.exits import FAILED, OK, USAGE, Misuse, explain
from sukashi.cli.parser import VERBS, overview, parse

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (``sys.argv`` without its first word, unless given) and return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    speak_safely()
    if not words:
        print(overview(), end="", file=sys.stderr)
        return USAGE
    try:
        args = parse(words)
    except Misuse as error:
        print(f"sukashi: {error}", file=sys.stderr)
        return USAGE
    except SystemExit as end:  # --help and --version have printed what they had to say
        return OK if end.code in (0, None) else USAGE
    return perform(args)


def perform(args: argparse.Namespace) -> int:
    """Call the verb's function; an error becomes one sentence on stderr and an exit code."""
    try:
        code = import_module(VERBS[args.verb].module).run(args)
        sys.stdout.flush()
        return int(code)
    except BrokenPipeError:  # whoever read us has seen enough, as in ``sukashi models | head``
        sys.stdout = open_nowhere()
        return FAILED
    except (Exception, KeyboardInterrupt) as error:
        code, sentence = explain(error)
        if getattr(args, "verbose", False) and isinstance(error, Exception):
            import traceback

            traceback.print_exc()
        print(f"sukashi: {sentence}", file=sys.stderr)
        return code


def open_nowhere() -> TextIO:
    """A stream that takes anything, for what is still to be flushed when the reader of our output has left."""
    return open(os.devnull, "w", encoding="utf-8")  # it lives until the process ends


def speak_safely() -> None:
    """Letters that the terminal cannot show are written as escapes instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            reconfigure(errors="backslashreplace")
