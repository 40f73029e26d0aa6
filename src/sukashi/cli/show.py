"""``sukashi show``: the networks of a model block by block, the noise of a run, the colours of previews."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sukashi.cli.exits import OK, Misuse

if TYPE_CHECKING:
    from sukashi.pipeline import Pipeline


def run(args: argparse.Namespace) -> int:
    """Show what was asked for."""
    return {"schedule": schedule, "preview": preview}.get(args.thing, network)(args)


def model(args: argparse.Namespace) -> Pipeline:
    """The model that is named first, or by ``--model``."""
    from sukashi.cli.model import load

    if args.what:
        args.model = args.what
    args.quiet = args.json
    return load(args)


def network(args: argparse.Namespace) -> int:
    """The blocks of one network."""
    if args.depth < 0:
        raise Misuse(f"--depth is {args.depth}; 0 and more is accepted")
    if args.family and args.what:
        raise Misuse("a model and --family exclude each other: a family is shown without weights")
    from sukashi.watch.blocks import table
    from sukashi.watch.networks import blocks_of, blocks_of_family

    if args.family:
        found, name = blocks_of_family(args.family, args.thing, size=args.size, depth=args.depth), args.family
    else:
        pipe = model(args)
        found = blocks_of(pipe, args.thing, width=args.size, height=args.size, depth=args.depth)
        name = pipe.name
    if args.json:
        print(json.dumps({"model": name, "part": args.thing, "blocks": [block.to_dict() for block in found]}))
    else:
        print(table(found))
    return OK


def schedule(args: argparse.Namespace) -> int:
    """The levels of samplers on grids."""
    from sukashi.diffusion.names import resolve
    from sukashi.families import family_named
    from sukashi.watch.plots import write_chart
    from sukashi.watch.schedule import panels, table, training, walks

    if args.family and args.what:
        raise Misuse("a model and --family exclude each other")
    config = family_named(args.family).scheduler if args.family else model(args).parts.scheduler
    found = walks(config, args.sampler, args.grid, args.steps)
    trained = resolve(config.get("_class_name", "ddim"), None, config).schedule
    if args.output:
        write_chart(panels(trained, found), Path(args.output), overwrite=args.overwrite)
    if args.json:
        values = {"training": training(trained).to_dict(), "walks": [walk.to_dict() for walk in found]}
        print(json.dumps(values | ({"chart": args.output} if args.output else {})))
    else:
        print(table(found))
        print(*([args.output] if args.output else []), sep="\n", end="\n" if args.output else "")
    return OK


def preview(args: argparse.Namespace) -> int:
    """Fit latent colours and compare with the numbers that are used."""
    from sukashi.watch.factors import fit, known, measured

    pipe = model(args)
    found, used = fit(pipe.vae, args.pictures), known(pipe.vae)
    if used is not None:
        used = measured(used, pipe.vae, args.pictures)
    if args.json:
        print(json.dumps({"fitted": asdict(found), "used": used and asdict(used)}))
        return OK
    for name, each in (("fitted now", found), ("in use", used)):
        if each is None:
            print("in use: none are known for this autoencoder; previews fit them when they are wanted")
            continue
        print(f"{name}: {each.source}")
        for k, row in enumerate([*each.rows, each.bias]):
            head = f"channel {k}" if k < len(each.rows) else "constant"
            print(f"  {head:<10}" + "".join(f"{value:>9.4f}" for value in row))
        print(f"  R2 {each.r2}, root mean square error {each.error} of 255")
    return OK
