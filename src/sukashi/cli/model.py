"""A model for a verb, loaded as the options say; what goes wrong is said in a sentence and has its own exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sukashi.cli.exits import Misuse, Unloadable, first_line, named
from sukashi.cli.options import DTYPES

if TYPE_CHECKING:
    import torch

    from sukashi.pipeline import Pipeline


def load(args: argparse.Namespace, recorded: Mapping[str, Any] | None = None) -> Pipeline:
    """The model of ``--model`` and its fellows; ``recorded`` (a record's "loading") stands in for what is not given.

    Raises Misuse for a device that is not there, Unloadable for whatever the loader complains of.
    """
    recorded = recorded or {}
    if args.threads is not None:
        if args.threads < 1:
            raise Misuse(f"--threads is {args.threads}; at least 1 is accepted")
        import torch

        torch.set_num_threads(args.threads)
    place = device(args.device) if args.device else device_like(recorded.get("device"))
    given = {
        "vae": args.vae,
        "vocabulary": args.vocabulary,
        "variant": args.variant,
        "prediction_type": args.prediction,
    }
    known = {key: recorded[key] for key in (*given, "text_encoder", "family") if recorded.get(key)}
    chosen = {key: value for key, value in given.items() if value}
    try:
        from sukashi.loading import load

        fast = not args.no_fast and recorded.get("fast") != "off"
        how = {"device": place, "dtype": dtype(args.dtype, recorded), "offline": args.offline, "fast": fast}
        how |= {"compile": args.compile, "fp8": args.fp8, "offload": args.offload}
        pipe = load(args.model, **how, **(known | chosen))
    except OSError as error:  # HubError is one
        raise Unloadable(about(args.model, named(error))) from error
    except ValueError as error:
        raise Unloadable(about(args.model, str(error))) from error
    except (RuntimeError, KeyError) as error:
        raise Unloadable(about(args.model, f"{type(error).__name__}: {first_line(error)}")) from error
    if args.keep_memory:
        from sukashi.fast.allocator import keep_memory

        if not keep_memory():
            print("note: --keep-memory does nothing: this system's allocator has no such setting", file=sys.stderr)
    report = pipe.parts.report
    if args.verbose:
        print(report, file=sys.stderr)
    elif not any(getattr(args, silent, False) for silent in ("json", "quiet")):  # not every verb has them
        print("".join(f"note: {note}\n" for note in report.notes), end="", file=sys.stderr)
    return pipe


def about(model: str, message: str) -> str:
    """The loader's complaint, which mostly begins with the model's name already."""
    return message if message.startswith(model) else f"{model} cannot be loaded: {message}"


def device(name: str) -> torch.device:
    """The device called ``name``, after it has held a number. Raises Misuse, naming the devices there are."""
    import torch

    there = ", ".join(devices())
    try:
        found = torch.device(name)
    except RuntimeError as error:
        raise Misuse(f"{name!r} is not the name of a device; here there is: {there}") from error
    try:
        torch.zeros(1, device=found).cpu()
    except (RuntimeError, AssertionError, ValueError) as error:
        raise Misuse(f"the device {name!r} cannot be used: {first_line(error)}; here there is: {there}") from error
    return found


def device_like(recorded: str | None) -> torch.device | None:
    """The device that a record names, where this machine has one; None (the best there is) where it has not."""
    try:
        return device(recorded) if recorded else None
    except Misuse:
        return None


def devices() -> list[str]:
    """The devices of this machine that torch can use."""
    import torch

    found = [f"cuda:{k}" if k else "cuda" for k in range(torch.cuda.device_count())]
    return ["cpu", *found, *(["mps"] if torch.backends.mps.is_available() else [])]


def dtype(given: str | None, recorded: Mapping[str, Any]) -> torch.dtype | None:
    """The type asked for, else the recorded one, else None (what is usual)."""
    import torch

    name = DTYPES[given] if given else str(recorded.get("dtype"))
    return getattr(torch, name) if name in DTYPES.values() else None
