"""``sukashi serve``: pictures over HTTP, and the page."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from sukashi.cli.exits import OK, Misuse
from sukashi.cli.options import DTYPES

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
    from sukashi.serve.config import GIB, MIB, Config, Limits, default_data

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
        auth=tuple((name, password) for name, _, password in (each.partition(":") for each in auth)),
        keys=tuple([*args.api_key, *filter(None, [os.environ.get("SUKASHI_API_KEY")])]),
        hosts=tuple(args.allow_host),
        origins=tuple(origin.rstrip("/") for origin in args.allow_origin),
        log_prompts=args.log_prompts,
    )
