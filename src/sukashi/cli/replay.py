"""``sukashi replay``: draw a picture again from what it says of itself, and compare."""

from __future__ import annotations

import argparse
import json
import math
from typing import TYPE_CHECKING, Any

from sukashi.cli import draw
from sukashi.cli.exits import FAILED, OK, Misuse, Unloadable
from sukashi.cli.progress import watched
from sukashi.outputs import Target

if TYPE_CHECKING:
    from PIL.Image import Image

    from sukashi.translate import Translation

LOSSY = (".jpg", ".jpeg")


def run(args: argparse.Namespace) -> int:
    """Draw again with the same model and settings; with --check the exit code says whether it is the same picture."""
    from PIL import Image as Picture

    from sukashi import tasks
    from sukashi.cli.model import load
    from sukashi.metadata.readers import read
    from sukashi.translate import translate

    if args.tolerance < 0:
        raise Misuse(f"--tolerance is {args.tolerance}; at least 0 is accepted")
    found = translate(recipe := read(args.file))
    notes = [*found.lost, *prepare(args, found, recipe.tool)]
    target = Target(args.output, overwrite=args.overwrite) if args.output or not args.check else None
    if target:
        target.refuse(1)
    recorded = found.record.get("loading") if found.ours and not args.chosen else None
    try:
        pipe = load(args, recorded if isinstance(recorded, dict) else {})
    except Unloadable as error:
        if args.chosen or args.model == "kirie":
            raise
        raise Unloadable(
            f"{error} (the picture names this model; name another, or the place of this one, with -m)"
        ) from error
    digest = tasks.fingerprint(pipe)
    if digest and (drawn := found.record.get("model_hash")) and drawn != digest:
        notes.append(f"it was drawn with weights {drawn}; these are {digest}")
    notes += differences(found.record.get("loading"), pipe.loading)
    show = watched("replaying", quiet=args.quiet)
    record = {**found.record, "model": args.model}
    given = {name: getattr(args, name) for name in ("image", "mask", "depth") if getattr(args, name)}
    result = tasks.replay(record, pipe, show=show, control_pictures=args.control_picture, **given)
    path = tasks.save(result, target, model_hash=digest)[0] if target else None
    facts = draw.facts(pipe, result, path)
    facts["notes"] = [*notes, *facts["notes"]]
    check = None
    if args.check:
        with Picture.open(args.file) as picture:
            check = compared(args, picture, result.images[0])
    report(args, facts, check)
    return OK if check is None or check["equal"] else FAILED


def prepare(args: argparse.Namespace, found: Translation, tool: str) -> list[str]:
    """Settle which model draws. One that only the picture names is never fetched from a hub unasked."""
    args.chosen = args.model is not None
    if args.chosen:
        return []
    model = found.record.get("model")
    if not found.ours:
        drawn = f" with {model}" if model else ""
        raise Misuse(f"{args.file} was drawn by {tool}{drawn}; name the model to draw it with: -m MODEL")
    if not isinstance(model, str) or not model:
        raise Misuse(f"the record in {args.file} names no model; name one with -m MODEL")
    args.model, args.offline = model, True
    return []


def differences(recorded: Any, now: Any) -> list[str]:
    """In what the model is loaded differently now; that explains small differences between the pictures."""
    if not isinstance(recorded, dict):
        return []
    keys = [key for key in ("device", "dtype", "fast", "vae", "variant") if recorded.get(key) != now.get(key)]
    return [f"{key}: drawn with {recorded.get(key)}, now {now.get(key)}" for key in keys]


def compared(args: argparse.Namespace, before: Image, now: Image) -> dict[str, Any]:
    """How the pictures differ, as JSON values; "verdict" says it in a sentence."""
    from sukashi.tasks import compare

    try:
        found = compare(before, now)
    except ValueError as error:  # their sizes
        return {"equal": False, "verdict": f"not the picture in {args.file}: {error}"}
    equal = found.within(args.tolerance)
    numbers = f"largest difference {found.largest} of 255, PSNR {found.psnr:.1f} dB"
    if found.largest == 0:
        verdict = f"the same picture as {args.file}, every pixel"
    elif equal:
        verdict = f"the same picture as {args.file} within the tolerance of {args.tolerance}: {numbers}"
    else:
        verdict = f"not the picture in {args.file}: {numbers}; a difference of {args.tolerance} is tolerated"
        if args.file.lower().endswith(LOSSY):
            verdict += " (a JPEG loses a little of every picture; a larger --tolerance allows for it)"
    psnr = found.psnr if math.isfinite(found.psnr) else None
    measured = {"largest": found.largest, "mean": found.mean, "psnr": psnr, "tolerance": args.tolerance}
    return {"equal": equal, "verdict": verdict, **measured}


def report(args: argparse.Namespace, facts: dict[str, Any], check: dict[str, Any] | None) -> None:
    """Say what was drawn and how it compares."""
    if args.json:
        facts |= {"check": check} if check else {}
        print(json.dumps(facts, ensure_ascii=not draw.speaks_unicode()), flush=True)
        return
    if not args.quiet:
        print(draw.account(facts), flush=True)
    elif facts["path"]:
        print(facts["path"], flush=True)
    if check:
        print(check["verdict"], flush=True)
