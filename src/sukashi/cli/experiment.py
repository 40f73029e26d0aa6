"""``sukashi experiment NAME``: run one of the experiments; print its table, write its pictures and numbers."""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from pathlib import Path

from sukashi.cli.exits import OK, Misuse
from sukashi.cli.experiment_options import TRIALS


def run(args: argparse.Namespace) -> int:
    """Run the one that is named, or list them."""
    if args.trial is None:
        listed = {name: trial.summary for name, trial in TRIALS.items()}
        width = max(map(len, listed))
        lines = [f"  {name:<{width}}  {summary}" for name, summary in listed.items()]
        print(
            json.dumps(listed) if args.json_list else "\n".join(["sukashi experiment NAME, with NAME one of", *lines])
        )
        return OK
    if Path(args.output).suffix in (".png", ".json", ".svg"):
        raise Misuse(f"-o is {args.output!r}; it names the folder for {args.trial}.png and {args.trial}.json")
    from sukashi.watch.experiments.found import dumps, refuse

    refuse([Path(args.output) / f"{args.trial}{suffix}" for suffix in (".png", ".json", ".svg")], args.overwrite)
    from sukashi.cli.model import load

    args.quiet = args.json
    trial = TRIALS[args.trial]
    call = getattr(import_module(f"sukashi.watch.experiments.{trial.module}"), trial.function)
    given = {name: getattr(args, name, None) for name in trial.given}
    found = call(load(args), **{name: value for name, value in given.items() if value not in (None, [])})
    paths = found.save(args.output, overwrite=args.overwrite)
    print(dumps(found) if args.json else "\n".join([found.table(), *map(str, paths)]))
    return OK
