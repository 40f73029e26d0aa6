"""``sukashi explain "a prompt"``: one page on which a picture is seen being made."""

from __future__ import annotations

import argparse
import json
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from sukashi.cli.control import asked_of, with_adapters
from sukashi.cli.draw import GIVEN, check_names, prompts_of, speaks_unicode, visible
from sukashi.cli.exits import OK, Misuse
from sukashi.cli.lora import with_named
from sukashi.cli.progress import watched
from sukashi.settings import Settings

BEGINS = ("image", "mask", "strength")  # what a picture to begin from has of its own
STAYS = ("image", "mask", "seed", "width", "height", "count", "loras", "embeddings", "controls")  # in a comparison
FILES = {"output": (".html", ".htm"), "npz": (".npz",), "gif": (".gif",), "apng": (".png", ".apng")}


def run(args: argparse.Namespace) -> int:
    """Draw once (with --compare twice), watched, and write what was asked for."""
    prompts = prompts_of(args)
    if (number := max(len(prompts), args.batch_count, args.count or 1)) != 1:
        raise Misuse(f"a page explains one picture; {number} were asked for")
    paths = checked(args)
    asked = Settings(**{name: getattr(args, name) for name in GIVEN})
    begins = beginning(args)
    beside = compared(args.compare or [], begins)
    check_names(asked)
    check_names(replace(asked, **{name: value for name, value in beside.items() if name != "strength"}))
    adapters = asked_of(args)

    from sukashi.cli.model import load
    from sukashi.watch.report import explain, report, write_report

    pipe, asked = with_named(load(args), asked), replace(asked, loras=None, embeddings=None)
    pipe = with_adapters(pipe, adapters)
    began = time.perf_counter()
    seed = secrets.randbelow(2**32) if args.seed is None or args.seed < 0 else args.seed
    options = asked.to_dict() | {"prompt": prompts[0], "seed": seed} | begins
    how: dict[str, Any] = {"previews": args.previews, "attention": not args.no_attention}
    recordings = []
    for k, settings in enumerate([options, *([options | beside] if beside else [])]):
        show = watched(f"{'AB'[k]} of A and B" if beside else "drawing", quiet=args.quiet)
        recordings.append(explain(pipe, show=show, **how, **settings))
    text = report(recordings, pipe, language=args.language)
    written = {str(path): write(path, recordings[0], args.overwrite) for path, write in others(paths)}
    page = {str(paths["output"]): write_report(paths["output"], text, overwrite=args.overwrite)}
    notes = [note for recording in recordings for note in (*recording.result.notes, *recording.notes)]
    say(args, page | written, seed, time.perf_counter() - began, list(dict.fromkeys(notes)))
    return OK


def checked(args: argparse.Namespace) -> dict[str, Path]:
    """The files to be written, by option. Raises Misuse for a suffix, FileExistsError for one that is there."""
    found = {name: Path(getattr(args, name)).expanduser() for name in FILES if getattr(args, name)}
    for name, path in found.items():
        option = "-o" if name == "output" else f"--{name}"
        if path.suffix.lower() not in FILES[name]:
            raise Misuse(f"{option} is {path}; a name that ends in {' or '.join(FILES[name])} is accepted")
        if path.exists() and not args.overwrite:
            raise FileExistsError(f"{path} exists; --overwrite replaces it")
    if len({path.absolute() for path in found.values()}) < len(found):
        raise Misuse("two of the files to be written have the same name")
    if (found.get("gif") or found.get("apng")) and args.previews == "none":
        raise Misuse("--previews none leaves nothing to film; linear and vae can be filmed")
    return found


def beginning(args: argparse.Namespace) -> dict[str, Any]:
    """The picture it begins from and the task: inpainting with a mask, else image-to-image; {} without a picture.

    Raises Misuse for what goes with a picture only.
    """
    given = {name: value for name in BEGINS if (value := getattr(args, name)) is not None}
    if given and args.image is None:
        raise Misuse(f"--{next(iter(given))} goes with a picture to begin from (--image FILE)")
    return given and given | {"task": "image-to-image" if args.mask is None else "inpaint"}


def compared(pairs: list[str], begins: Collection[str] = ()) -> dict[str, Any]:
    """``guidance=1`` -> {"guidance": 1}: a value is JSON where it can be read so, else text.

    Where it ``begins`` from a picture, ``strength=0.5`` too. Raises Misuse for what is no pair, ValueError for what is
    no setting.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or name in STAYS:
            raise Misuse(
                f"--compare {pair}: NAME=VALUE of a setting is accepted, such as guidance=1; "
                f"{', '.join(STAYS)} are those of the first, so that both begin from the same noise"
            )
        found[name] = read(name, value)
        if name == "strength" and begins:
            continue
        Settings.from_dict({name: found[name]})
    return found


def read(name: str, value: str) -> Any:
    """The value of a setting: text for settings that are text, else JSON where it can be read so."""
    if name in ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2"):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def others(paths: dict[str, Path]) -> list[tuple[Path, Callable[..., int]]]:
    """The files beside the page, each with what writes it and returns its size."""
    from sukashi.watch.arrays import write_npz
    from sukashi.watch.films import frames, write_film

    def npz(path: Path, recording: Any, overwrite: bool) -> int:
        write_npz(path, recording, overwrite=overwrite)
        return path.stat().st_size

    def film(path: Path, recording: Any, overwrite: bool) -> int:
        write_film(path, frames(recording), overwrite=overwrite)
        return path.stat().st_size

    return [(path, npz if name == "npz" else film) for name, path in paths.items() if name != "output"]


def say(args: argparse.Namespace, sizes: dict[str, int], seed: int, seconds: float, notes: list[str]) -> None:
    """Print where everything is, how large, and how long it took."""
    if args.json:
        facts = {"files": sizes, "seed": seed, "seconds": round(seconds, 3), "notes": notes}
        print(json.dumps(facts, ensure_ascii=not speaks_unicode()))
    elif args.quiet:
        print(*sizes, sep="\n")
    else:
        for path, size in sizes.items():
            print(f"{path}  {size / 2**20:.2f} MiB")
        print(f"  seed {seed}; drawn, watched and written in {seconds:.1f} s")
        print(*(f"  note: {visible(note)}\n" for note in notes), sep="", end="")
