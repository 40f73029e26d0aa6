"""``sukashi serve``: pictures over HTTP, and the page."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from sukashi.cli.exits import OK, Misuse
from sukashi.cli.options import DTYPES

SIZES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
NEEDED = ("fastapi", "uvicorn", "prometheus_client", "python_multipart")


def run(args: argparse.Namespace) -> int:
    """Serve until stopped."""
    from importlib.util import find_spec

    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise Misuse(f"serving needs {', '.join(missing)}: pip install 'sukashi[serve]'")
    import torch

    from sukashi.cli.model import device
    from sukashi.serve.running import serve

    if args.device:
        device(args.device)
    if args.threads:
        torch.set_num_threads(args.threads)
    serve(config_of(args))
    return OK


def config_of(args: argparse.Namespace) -> Any:
    """The options as a ``Config``. Raises Misuse."""
    from sukashi.serve.config import GIB, MIB, Config, Keep, Limits, default_data

    if not 1 <= args.batch <= 64:
        raise Misuse(f"--batch is {args.batch}; 1 to 64 is accepted")
    most = {"pixels": args.max_pixels, "steps": args.max_steps, "count": args.max_count, "queue": args.max_queue}
    most["waiting"] = args.max_queue and max(args.max_count or 16, args.max_queue // 2)
    most |= {"seconds": args.job_timeout, "body": args.max_body and args.max_body * MIB}
    limits = replace(Limits(), **{name: value for name, value in most.items() if value})
    auth = [*args.auth, *filter(None, [os.environ.get("SUKASHI_AUTH")])]
    if wrong := [each for each in auth if ":" not in each]:
        raise Misuse(f"--auth takes USER:PASSWORD; there is no colon in what was given ({len(wrong[0])} letters)")
    return Config(
        host="0.0.0.0" if args.listen else args.host,
        port=args.port,
        data=Path(args.data).expanduser() if args.data else default_data(),
        model=args.model,
        device=args.device,
        dtype=DTYPES[args.dtype] if args.dtype else None,
        batch=args.batch,
        cache=int(args.cache * GIB),
        limits=limits,
        keep=Keep(**dict(map(kept, args.keep))),
        auth=tuple((name, password) for name, _, password in (each.partition(":") for each in auth)),
        keys=tuple([*args.api_key, *filter(None, [os.environ.get("SUKASHI_API_KEY")])]),
        hosts=tuple(args.allow_host),
        origins=tuple(origin.rstrip("/") for origin in args.allow_origin),
        log_prompts=args.log_prompts,
    )


def kept(text: str) -> tuple[str, int]:
    """``--keep 500`` -> ("jobs", 500); ``--keep 20GB`` -> ("bytes", 20000000000). Raises Misuse."""
    match = re.fullmatch(r"(\d+|\d*\.\d+) ?([MGT]i?B)?", text.strip(), re.IGNORECASE | re.ASCII)
    if match and match[2] and float(match[1]):
        return "bytes", int(float(match[1]) * SIZES[match[2].upper()])
    if match and not match[2] and "." not in match[1] and int(match[1]):
        return "jobs", int(match[1])
    raise Misuse(f"--keep is {text!r}; a number of jobs (500) or a size (20GB) is accepted")
