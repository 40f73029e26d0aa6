"""``sukashi convert``: folder to single file and back, or to another number type."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sukashi.cli.exits import OK, Misuse, Unloadable, named


def run(args: argparse.Namespace) -> int:
    """Load, write, and say what was found and written."""
    from sukashi import kirie
    from sukashi.weights.convert import convert

    target = Path(args.target).expanduser()
    if target.exists() and not args.overwrite:
        raise FileExistsError(f"{target} exists; --overwrite replaces it")
    source = kirie.path() if args.source == "kirie" else args.source
    options = {"variant": args.variant, "vocabulary": args.vocabulary, "prediction_type": args.prediction}
    try:
        done = convert(source, target, dtype=args.dtype, overwrite=args.overwrite, offline=args.offline, **options)
    except ValueError as error:
        if str(error).startswith(str(target)):  # what is wrong is the target
            raise Misuse(str(error)) from error
        raise Unloadable(str(error)) from error
    except OSError as error:
        if error.filename is not None and Path(error.filename) == target:
            raise
        raise Unloadable(f"{args.source} cannot be converted: {named(error)}") from error
    if args.json:
        report = done.report
        facts = {"path": str(done.path), "kind": done.kind, "family": report.family, "predicts": report.predicts}
        print(json.dumps({**facts, "ignored": len(report.ignored), "notes": list(report.notes)}))
    else:
        print(done)
    return OK
