"""Run as a program: imports every module of the package, and prints as JSON what importing them did besides.

What the libraries that we build on do when they are imported is not counted: they are imported first.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import random
import signal
import sys
import threading
import warnings

import fastapi
import numpy
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFilter
import PIL.PngImagePlugin
import prometheus_client
import pydantic
import safetensors.torch
import starlette.concurrency
import tokenizers
import torch
import uvicorn

LIBRARIES = (fastapi, numpy, PIL, prometheus_client, pydantic, safetensors, starlette, tokenizers, torch, uvicorn)
NETWORK = (
    "socket.connect",
    "socket.getaddrinfo",
    "socket.bind",
    "socket.sendto",
    "urllib.Request",
    "http.client.connect",
)
DISK = (
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "shutil.",
    "tempfile.",
)
OTHER = ("subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.putenv", "os.chdir", "sqlite3.connect")
NOT_EVERYWHERE = {"triton"}  # libraries that some machines cannot have; a module that is nothing without one may say so
PYTHON_FILES = (".py", ".pyc", ".so", ".pyd")


def state() -> dict[str, object]:
    """What is global in a process and belongs to whoever started it."""
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "threads": sorted(t.name for t in threading.enumerate()),
        "signals": [repr(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)],
        "warning filters": len(warnings.filters),
        "random": random.getstate(),
        "numpy.random": repr(numpy.random.get_state()),
        "torch seed": torch.initial_seed(),
        "torch random": torch.random.get_rng_state().tolist(),
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch dtype": str(torch.get_default_dtype()),
        "torch gradients": torch.is_grad_enabled(),
        "torch deterministic": torch.are_deterministic_algorithms_enabled(),
        "torch precision": torch.get_float32_matmul_precision(),
        "accelerator started": torch.cuda.is_initialized(),
    }


def main(package: str) -> None:
    """Import ``package`` and everything in it; print what happened."""
    done: list[str] = []
    module = package

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = (*arguments, None, None)[:3]
            writes = bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
            if writes or not (isinstance(path, str) and path.endswith(PYTHON_FILES)):
                done.append(f"{module} opened {path!r} ({mode})")
        elif event.startswith((*NETWORK, *DISK, *OTHER)):
            done.append(f"{module}: {event} {arguments!r:.200}")

    before, libraries = state(), {*sys.modules}
    sys.addaudithook(hook)
    root = importlib.import_module(package)
    names = [package, *(found.name for found in pkgutil.walk_packages(root.__path__, f"{package}."))]
    for module in names:
        if not module.endswith("__main__"):
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as error:
                if error.name not in NOT_EVERYWHERE:
                    raise
    after = state()
    changed = [name for name in before if before[name] != after[name]]
    loaded = sorted({name.split(".")[0] for name in {*sys.modules} - libraries})
    print(json.dumps({"modules": names, "done": done, "changed": changed, "loaded": loaded}))


if __name__ == "__main__":
    main(sys.argv[1])
