"""A server in this process, until it is told to stop."""

from __future__ import annotations

import contextlib
import socket
import sys

import uvicorn

from sukashi.serve.app import make_app
from sukashi.serve.config import Config
from sukashi.serve.models import Models


def serve(config: Config) -> None:
    """Serve until Ctrl-C or SIGTERM. Raises OSError where the port is taken, and what the model's name raises."""
    import torch

    dtype = getattr(torch, config.dtype) if config.dtype else None
    listening = bound(config.host, config.port)
    models = Models(config.model, budget=config.cache, device=config.device, dtype=dtype)
    options = {"log_config": None, "timeout_keep_alive": 20, "limit_concurrency": 1024, "timeout_graceful_shutdown": 5}
    server = uvicorn.Server(uvicorn.Config(make_app(config, models), server_header=False, **options))  # type: ignore[arg-type]
    shown = f"[{config.host}]" if ":" in config.host else config.host
    print(
        f"sukashi serves {models.default} at http://{shown}:{listening.getsockname()[1]}", file=sys.stderr, flush=True
    )
    if not config.local and not (config.auth or config.keys):
        print(
            "sukashi: anybody who reaches this address may draw here (--auth, --api-key)", file=sys.stderr, flush=True
        )
    if config.keep:
        kept = [f"the newest {config.keep.jobs} jobs"] if config.keep.jobs is not None else []
        kept += [f"{config.keep.bytes / 1e9:g} GB of them"] if config.keep.bytes is not None else []
        print(f"sukashi: keeps {', '.join(kept)}; older ones are deleted (--keep)", file=sys.stderr, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes a free one. Raises OSError with the address in its sentence."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(512)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"{error.strerror}: cannot listen at {host}:{port}") from None
    return listening
