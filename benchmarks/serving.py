"""How many pictures a server draws, and how long each client waits, with and without batching.

    python benchmarks/serving.py                  # kirie: 1, 4 and 8 clients, --batch 1 and 4; about 3 minutes
    python benchmarks/serving.py --model v1-5.safetensors --device cuda --rows 1 4 8 --size 512

Clients ask for a picture, wait for it, and ask again, for ``--seconds`` in each setting. What they wait is counted from
request to picture. The server is a process of its own. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from socket import socket
from typing import Any


def ask(url: str, body: dict[str, Any]) -> None:
    """One picture over A1111's API; returns when it is there."""
    request = urllib.request.Request(
        f"{url}/sdapi/v1/txt2img", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as answer:
        assert json.load(answer)["images"]


def ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait for the model to be loaded."""
    while process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server ended before it was ready")


@contextmanager
def serving(args: argparse.Namespace, rows: int) -> Iterator[str]:
    """The address of a server that is ready."""
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sukashi", "serve", "--port", str(port), "--model", args.model]
    command += ["--batch", str(rows)]
    command += ["--device", args.device] if args.device else []
    command += ["--threads", str(args.threads)] if args.threads else []
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--data", folder], stderr=log)
        try:
            ready(url := f"http://127.0.0.1:{port}", process)
            yield url
        finally:
            process.terminate()
            process.wait(30)


def drive(url: str, args: argparse.Namespace, clients: int) -> dict[str, float]:
    """The clients of one server."""
    body = {"prompt": "a girl with glasses and a red hat", "steps": args.steps, "width": args.size, "height": args.size}
    ask(url, {**body, "seed": 0})  # warm
    waits: list[float] = []
    seeds, start = count(1), time.perf_counter()

    def work() -> None:
        while (began := time.perf_counter()) < start + args.seconds:
            ask(url, {**body, "seed": next(seeds)})
            waits.append(time.perf_counter() - began)

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, ordered = time.perf_counter() - start, sorted(waits)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return {"rate": len(waits) / seconds, "median": statistics.median(ordered), "p95": p95, "n": len(waits)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 8])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 4], help="values of --batch")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each setting (20)")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--model", default="kirie")
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    print(
        f"{args.model}, {args.size} x {args.size}, {args.steps} steps, {args.device or 'the default device'}, ", end=""
    )
    print(f"{args.threads or os.cpu_count()} threads of {os.cpu_count()} cores, {args.seconds:g} s for each row\n")
    print("| `--batch` | clients | pictures | pictures/s | median wait (s) | 95 % wait (s) |")
    print("|---:|---:|---:|---:|---:|---:|", flush=True)
    for rows in args.rows:
        with serving(args, rows) as url:
            for clients in args.clients:
                found = drive(url, args, clients)
                cells = [f"{found[name]:.2f}" for name in ("rate", "median", "p95")]
                print(f"| {rows} | {clients} | {found['n']:.0f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
