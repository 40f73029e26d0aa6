"""``sukashi kirie attention``: how well the maps of words lie on what the words name."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sukashi.cli.exits import OK, Misuse


def run(args: argparse.Namespace) -> int:
    """Measure, print the tables, write them and a sheet of pictures with their maps."""
    from sukashi.cli.kirie import refuse, save, tell, write
    from sukashi.cli.model import load
    from sukashi.watch.accuracy import measure
    from sukashi.watch.accuracy_report import by_layer, facts, sheet, table

    if args.per_word < 2 or args.steps < 1 or not 0 < args.strength <= 1:
        raise Misuse("--per-word from 2, --steps from 1 and a --strength above 0, up to 1, are accepted")
    folder = Path(args.out)
    paths = [folder / f"attention.{suffix}" for suffix in ("md", "json", "png")]
    refuse(paths, args.overwrite)
    pipe = load(args)
    how = {"per_word": args.per_word, "strength": args.strength, "layer": args.layer, "steps": args.steps}
    found = measure(pipe, say=tell, **how)
    head = (
        f"{pipe.name}: {found.pictures} drawn pictures, noised to a strength of {args.strength:g} and denoised with "
        f"their captions (the last {int(args.steps * args.strength)} of {args.steps} steps); they changed by "
        f"{found.change:.1f} of 255 on average. Maps of {args.layer or 'all layers that DAAM takes'}."
    )
    text = "\n\n".join([head, table(found), "Mass by layer, over all words and pictures:", by_layer(found)]) + "\n"
    write(paths[0], text)
    write(paths[1], json.dumps({"model": pipe.name, **how, **facts(found)}, indent=1) + "\n")
    save(sheet(found, layer=args.layer), paths[2])
    print(text)
    print(*paths)
    return OK
