"""``sukashi kirie``: look at the tiny model's world, and measure models that draw it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from PIL import Image

from sukashi.cli.exits import OK, Misuse


def run(args: argparse.Namespace) -> int:
    """Do what the second word says."""
    deeds = {"sheet": sheet, "sample": sample, "eval": evaluate, "negatives": negatives, "teach": teach, "probe": probe}
    deeds["tasks"] = from_pictures
    if args.deed == "attention":
        from sukashi.cli.kirie_attention import run as attention

        return attention(args)
    if args.deed == "approximations":
        from sukashi.cli.kirie_approximations import run as approximations

        return approximations(args)
    return deeds[args.deed](args)


def sheet(args: argparse.Namespace) -> int:
    """Draw a contact sheet of the world."""
    from sukashi.kirie.sheet import world_sheet

    path = Path(args.output)
    if path.suffix.lower() != ".png":
        raise Misuse(f"{path}: the sheet is a .png")
    refuse([path], args.overwrite)
    save(world_sheet(args.seed, args.rows, args.columns, captions=args.captions), path)
    print(path)
    return OK


def sample(args: argparse.Namespace) -> int:
    """Write one picture with its caption, scene and masks."""
    import numpy as np

    from sukashi.kirie.canvas import PARTS
    from sukashi.kirie.world import sample as draw_sample

    folder = Path(args.output or f"sample-{args.seed}")
    names = ("picture.png", "caption.txt", "parts.png", "owners.png", "sample.json")
    refuse([folder / name for name in names], args.overwrite)
    found = draw_sample(args.seed, held_out=args.held_out, parts=True)
    assert found.parts is not None and found.owners is not None
    save(found.picture, folder / "picture.png")
    write(folder / "caption.txt", found.caption + "\n")
    for part in np.unique(found.parts).tolist():
        save(Image.fromarray(((found.parts == part) * 255).astype(np.uint8)), folder / f"mask-{PARTS[part]}.png")
    save(Image.fromarray(found.parts), folder / "parts.png")
    save(Image.fromarray(found.owners), folder / "owners.png")
    facts = {
        "seed": args.seed,
        "held_out": args.held_out,
        "caption": found.caption,
        "claims": [claim._asdict() for claim in found.claims],
        "scene": asdict(found.scene),
        "parts": dict(enumerate(PARTS)),
    }
    write(folder / "sample.json", json.dumps(facts, indent=1) + "\n")
    print(found.caption)
    print(folder)
    return OK


def evaluate(args: argparse.Namespace) -> int:
    """Measure a model at every guidance, print the table, write eval.json and eval.png."""
    import time

    from sukashi import tasks
    from sukashi.cli.model import load
    from sukashi.lab.evaluate import Plan
    from sukashi.lab.evaluate import evaluate as measure
    from sukashi.lab.probe import WEIGHTS, load_probe
    from sukashi.lab.show import sheet as result_sheet
    from sukashi.lab.show import table

    args.model = args.what or args.model
    plan = Plan(
        prompts=args.prompts,
        seeds=args.seeds,
        held_out=args.held_out,
        guidance=tuple(args.guidance),
        steps=args.steps,
        sampler=args.sampler,
        grid=args.grid,
    )
    start, out = time.monotonic(), Path(args.out)
    reader = load_probe(Path(args.probe) if args.probe else WEIGHTS)
    pipe = load(args)
    told = {"batch": args.batch, "fingerprint": tasks.fingerprint(pipe), "say": tell}
    found = measure(pipe, reader, plan, out, show=progress, **told)
    print("\n".join(table(found)))
    save(result_sheet(out, found), out / "eval.png")
    print(f"{out / 'eval.json'} and {out / 'eval.png'}, after {time.monotonic() - start:.0f} s")
    return OK


def negatives(args: argparse.Namespace) -> int:
    """Measure what the negative prompt "glasses" does, print the table, write it and the curve."""
    from sukashi.cli.model import load
    from sukashi.lab.negatives.measure import PROMPTS
    from sukashi.lab.negatives.measure import run as measure
    from sukashi.lab.negatives.report import looking, report
    from sukashi.lab.probe import WEIGHTS, load_probe

    if not 1 <= args.prompts <= len(PROMPTS) or args.seeds < 1 or args.steps < 2:
        raise Misuse(f"--prompts 1 to {len(PROMPTS)}, --seeds from 1 and --steps from 2 on are accepted")
    out, reader = Path(args.out), load_probe(Path(args.probe) if args.probe else WEIGHTS)
    pipe = load(args)
    chosen = {"prompts": PROMPTS[: args.prompts], "seeds": args.seeds, "steps": args.steps}
    print(report(measure(pipe, looking(reader.to(pipe.device)), out, say=tell, **chosen), out))
    print(f"{out / 'negatives.md'}, {out / 'negatives.json'} and {out / 'negatives.png'}")
    return OK


def from_pictures(args: argparse.Namespace) -> int:
    """Measure inpainting, image-to-image and two passes with the probe; print the tables."""
    from sukashi.cli.model import load
    from sukashi.lab.probe import WEIGHTS, load_probe
    from sukashi.lab.tasks import measure, table

    if args.pictures < 1 or args.steps < 1:
        raise Misuse("--pictures and --steps from 1 on are accepted")
    reader = load_probe(Path(args.probe) if args.probe else WEIGHTS)
    print(table(measure(load(args), reader, args.pictures, args.steps)))
    return OK


def teach(args: argparse.Namespace) -> int:
    """Teach kirie new things in every way, print the tables, write them and the sheets of pictures."""
    from sukashi.lab.probe import load_probe
    from sukashi.lab.teaching.methods import METHODS
    from sukashi.lab.teaching.probe import load_concept_probe
    from sukashi.lab.teaching.run import Eyes, Plan
    from sukashi.lab.teaching.run import run as measure
    from sukashi.loading import load

    ways = tuple(args.methods or ())
    if unknown := set(ways) - set(METHODS):
        raise Misuse(f"unknown method {min(unknown)!r}; known: {', '.join(METHODS)}")
    if min(args.pictures, args.prompts, args.others) < 1:
        raise Misuse("--pictures, --prompts and --others from 1 on are accepted")
    drawing = (("steps", args.steps),) if args.steps else ()
    out, eyes, pipe = Path(args.out), Eyes(load_probe(), load_concept_probe()), load("kirie", device="cpu")
    for concept in args.concepts:
        plan = Plan(
            concept=concept,
            ways=ways,
            pictures=args.pictures,
            prompts=args.prompts,
            others=args.others,
            drawing=drawing,
            steps=args.train_steps,
            kept=args.kept,
        )
        print(measure(pipe, eyes, plan, out / concept, say=tell))
        print(f"{out / concept / 'teaching.md'} and {out / concept / 'teaching.png'}")
    return OK


def probe(args: argparse.Namespace) -> int:
    """Train the probe; run again, it goes on where it was."""
    from sukashi.lab import train

    train.main(
        ["--out", args.out, "--minutes", str(args.minutes), *(["--threads", str(args.threads)] if args.threads else [])]
    )
    return OK


def tell(line: str) -> None:
    """A line that is not the result."""
    print(f"\r{line}" if sys.stderr.isatty() else line, file=sys.stderr, flush=True)


def progress(name: str, tally: object) -> None:
    """How far one column is, where somebody watches."""
    if sys.stderr.isatty():
        print(f"\r{name}: {getattr(tally, 'pictures', 0)} pictures ", end="", file=sys.stderr, flush=True)


def refuse(paths: list[Path], overwrite: bool) -> None:
    """Raise FileExistsError where a file would be replaced unasked."""
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        raise FileExistsError(f"{there[0]} exists; --overwrite replaces it")


def save(image: Image.Image, path: Path) -> None:
    """Write a PNG whole or not at all."""
    _whole(path, lambda unfinished: image.save(unfinished, "PNG"))


def write(path: Path, text: str) -> None:
    """Write a text whole or not at all."""
    _whole(path, lambda unfinished: unfinished.write_text(text, encoding="utf-8"))


def _whole(path: Path, fill: Callable[[Path], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    fill(unfinished)
    os.replace(unfinished, path)
