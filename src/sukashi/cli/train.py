"""``sukashi train``: ``scratch`` makes a model from nothing; ``cli.teach`` does the methods that teach one."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from sukashi.cli.exits import OK, Misuse


def run(args: argparse.Namespace) -> int:
    """Do what the second word says."""
    if args.deed != "scratch":
        from sukashi.cli.teach import teach

        return teach(args)
    return scratch(args)


def scratch(args: argparse.Namespace) -> int:
    """Train, then say where the model is and how it does."""
    import torch

    from sukashi.train.recipe import recipe
    from sukashi.train.run import Budget
    from sukashi.train.scratch import train

    given: dict[str, Any] = {"seed": args.seed, "pictures": args.pictures, "batch": args.batch, "rate": args.rate}
    try:
        asked = recipe(args.recipe, args.device)
        for name, minutes in (("vae_budget", args.vae_minutes), ("budget", args.minutes)):
            given[name] = None if minutes is None else Budget(minutes=minutes)
    except (ValueError, RuntimeError) as error:
        raise Misuse(str(error)) from error
    asked = replace(asked, **{key: value for key, value in given.items() if value is not None})
    if args.polish_minutes is not None:
        asked = replace(asked, polish_budget=Budget(minutes=args.polish_minutes) if args.polish_minutes else None)
    threads = args.threads or torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # zero-initialised layers make denormals, which are very slow on a CPU
    start = None if args.start is None else Path(args.start).expanduser()
    out = Path(args.out).expanduser()
    model = train(replace(asked, start=start, workers=threads), out)
    facts: dict[str, Any] = {"model": str(model)}
    if args.evaluate:
        facts["evaluation"] = evaluate(model, out / "evaluation", args.evaluate)
    print(json.dumps(facts))
    return OK


def evaluate(model: Path, out: Path, prompts: int) -> str:
    """Measure the finished model as ``sukashi kirie eval`` does; returns the path of the table."""
    from sukashi.cli import kirie
    from sukashi.cli.parser import build

    args = build("kirie").parse_args(["eval", str(model), "--held-out", "--prompts", str(prompts), "--out", str(out)])
    kirie.run(args)
    return str(out / "eval.json")
