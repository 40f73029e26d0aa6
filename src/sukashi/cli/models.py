"""``sukashi models``: what there is to draw with."""

from __future__ import annotations

import argparse
import json
from typing import Any

from sukashi.cli.exits import OK, Misuse


def run(args: argparse.Namespace) -> int:
    """List the models; files that are none are counted, and named with -v."""
    from sukashi import shelf

    kinds = {kind.lower(): kind for kind in shelf.KINDS}
    if args.kind and args.kind.lower() not in kinds:
        raise Misuse(f"--kind is {args.kind!r}; accepted: {', '.join(shelf.KINDS)}")
    wanted, others, total = kinds.get((args.kind or "").lower()), 0, 0
    for found in shelf.look(args.folders):
        if wanted and found.kind != wanted:
            continue
        if not found.usable and found.kind == "single file" and not args.verbose and not args.json:
            others += 1
            continue
        total += 1
        digest = shelf.fingerprint(found.path, found.kind) if args.hash and found.usable else None
        if args.json:
            print(json.dumps(as_json(found, digest)), flush=True)
        else:
            print(as_text(found, digest), flush=True)
    if others:
        print(f"{others} other file{'s' * (others > 1)} there: not models of a kind known here (-v says why)")
    if not total and not others and not args.json:
        what = f"nothing of the kind {wanted!r} was" if wanted else "no models were"
        print(f"{what} found; give the folders to look in, or a hub id to load: sukashi -m ORG/NAME ...")
    return OK


def as_json(found: Any, digest: str | None) -> dict[str, Any]:
    """One model as JSON values."""
    return {
        "name": found.name,
        "path": str(found.path),
        "kind": found.kind,
        "where": found.where,
        "family": found.family,
        "predicts": found.predicts,
        "bytes": found.size,
        "sha256": digest,
        "note": found.note,
        "usable": found.usable,
    }


def as_text(found: Any, digest: str | None) -> str:
    """One model in two lines."""
    facts = [
        found.family or ("family not told" if found.usable else "cannot be loaded"),
        found.kind,
        bytes_as_text(found.size),
    ]
    facts += [f"sha256 {digest}"] if digest else []
    path = [f"  {found.path}"] if str(found.path) != found.name else []
    note = [f"  {found.note}"] if found.note else []
    return "\n".join([f"{found.name}\n  {', '.join(facts)}", *path, *note])


def bytes_as_text(size: int) -> str:
    """A size for people: 4.3 GB."""
    value = float(size)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"
