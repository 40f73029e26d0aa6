"""``sukashi tokens "a prompt"``: what the text encoder is given, token by token, and what lies near it."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from sukashi.cli.draw import speaks_unicode
from sukashi.cli.exits import OK, Misuse

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def run(args: argparse.Namespace) -> int:
    """Print one table for every text encoder and every prompt that AND divides, or for a textual inversion."""
    if args.steps < 1 or not 1 <= args.step <= args.steps:
        raise Misuse(f"--step is {args.step} of --steps {args.steps}; 1 to --steps is accepted")
    if args.nearest < 0:
        raise Misuse(f"--nearest is {args.nearest}; 0 and more is accepted")
    if (args.text is None) == (args.inversion is None):
        raise Misuse("sukashi tokens wants a prompt, or --inversion and its file; one of them")
    from sukashi.cli.model import load

    args.quiet = False  # what the loader has to say belongs to stderr, as with other verbs
    pipe = load(args)
    return inversion(args, pipe) if args.inversion else prompt(args, pipe)


def prompt(args: argparse.Namespace, pipe: Pipeline) -> int:
    """The tokens of a prompt."""
    from sukashi.prompts.table import TokenTable, token_tables
    from sukashi.watch.words import shown, spelled_by

    options = {"emphasis": args.emphasis, "truncate": args.truncate, "step": args.step, "steps": args.steps}
    encoders = range(len(pipe.parts.text_encoders))
    tables = [table for k in encoders for table in token_tables(pipe, args.text, encoder=k, **options)]

    def rows(table: TokenTable) -> list[dict[str, Any]]:
        """Every row of the context, with start, end and padding."""
        how: dict[str, Any] = {"emphasis": args.emphasis, "truncate": args.truncate, "encoder": table.encoder}
        return shown(pipe, spelled_by(pipe, table.prompt, **how), near=args.nearest, encoder=table.encoder)

    if args.json:
        found = [table.to_dict(vectors=args.vectors) | {"rows": rows(table)} for table in tables]
        print(json.dumps({"model": pipe.name, "tables": found}, ensure_ascii=not speaks_unicode()))
        return OK
    for k, table in enumerate(tables):
        if len(tables) > 1:
            voice = f", weight {table.voice:g}" if table.voice != 1 else ""
            print(f"{chr(10) * (k > 0)}text encoder {table.encoder + 1} of {len(encoders)}{voice}: {table.prompt!r}")
        print(table)
        if args.nearest:
            print(*(f"{row['piece']}: {near(row['nearest'])}" for row in rows(table) if row["nearest"]), sep="\n")
    return OK


def inversion(args: argparse.Namespace, pipe: Pipeline) -> int:
    """The vectors of a textual inversion, with the tokens that are nearest to each by cosine."""
    from sukashi.places import find
    from sukashi.watch.words import nearest_to_inversion
    from sukashi.weights.embeddings import read_embedding

    word = read_embedding(find("embedding", args.inversion))
    found = nearest_to_inversion(pipe, word, args.nearest or 5)
    norms = [[float(vector.float().norm()) for vector in vectors] for vectors in word.vectors]
    norms = norms[-len(found) :]  # the refiner has only SDXL's second encoder
    if args.json:
        vectors = [
            [{"norm": norm, "nearest": pairs} for norm, pairs in zip(*both, strict=True)]
            for both in zip(norms, found, strict=True)
        ]
        print(json.dumps({"model": pipe.name, "word": word.token, "vectors": vectors}))
        return OK
    for k, (lengths, neighbours) in enumerate(zip(norms, found, strict=True)):
        print(f"{word.token!r}, text encoder {k + 1} of {len(found)}: {len(lengths)} vectors ({word.source})")
        for number, (norm, pairs) in enumerate(zip(lengths, neighbours, strict=True), 1):
            print(f"{number:>3}  norm {norm:.3f}  {near(pairs)}")
    return OK


def near(pairs: list[Any]) -> str:
    """'cats</w> 0.81, dog</w> 0.64'."""
    return ", ".join(f"{piece} {cosine:.2f}" for piece, cosine in pairs)
