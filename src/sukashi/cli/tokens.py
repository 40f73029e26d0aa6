"""``sukashi tokens "a prompt"``: what the text encoder is given, token by token."""

from __future__ import annotations

import argparse
import json

from sukashi.cli.draw import speaks_unicode
from sukashi.cli.exits import OK, Misuse


def run(args: argparse.Namespace) -> int:
    """Print one table for every text encoder and every prompt that AND divides."""
    if args.steps < 1 or not 1 <= args.step <= args.steps:
        raise Misuse(f"--step is {args.step} of --steps {args.steps}; 1 to --steps is accepted")
    from sukashi.cli.model import load
    from sukashi.prompts.table import token_tables

    args.quiet = False  # what the loader has to say belongs to stderr, as with other verbs
    pipe = load(args)
    options = {"emphasis": args.emphasis, "truncate": args.truncate, "step": args.step, "steps": args.steps}
    encoders = range(len(pipe.parts.text_encoders))
    tables = [table for k in encoders for table in token_tables(pipe, args.text, encoder=k, **options)]
    if args.json:
        found = [table.to_dict(vectors=args.vectors) for table in tables]
        print(json.dumps({"model": pipe.name, "tables": found}, ensure_ascii=not speaks_unicode()))
        return OK
    for k, table in enumerate(tables):
        if len(tables) > 1:
            voice = f", weight {table.voice:g}" if table.voice != 1 else ""
            print(f"{chr(10) * (k > 0)}text encoder {table.encoder + 1} of {len(encoders)}{voice}: {table.prompt!r}")
        print(table)
    return OK
