"""How many pictures a server draws, and how long each client waits, with and without batching.

    python benchmarks/serving.py --clients 1 8 --rows 1 4 8 --jobs 40 [--model kirie] [--device cuda] [--steps 20]

Each row of the table is a fresh server process and its clients, each of which asks for a picture, waits for it, and
asks again. Seconds are what a client waits, from request to picture. Nothing else should run on the machine meanwhile.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
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


def measure(args: argparse.Namespace, rows: int, clients: int) -> dict[str, float]:
    """Pictures a second and seconds of waiting for one setting."""
    with socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-m", "sukashi", "serve", "--port", str(port), "--data", folder]
        command += ["--model", args.model, "--batch", str(rows)]
        command += ["--device", args.device] if args.device else []
        command += ["--threads", str(args.threads)] if args.threads else []
        url = f"http://127.0.0.1:{port}"
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, stderr=log)
            try:
                ready(url, process)
                return drive(url, args, clients)
            finally:
                process.terminate()
                process.wait(30)


def drive(url: str, args: argparse.Namespace, clients: int) -> dict[str, float]:
    """The clients of one server."""
    body = {"prompt": "a girl with glasses and a red hat", "steps": args.steps, "width": args.size, "height": args.size}
    ask(url, {**body, "seed": 0})  # warm
    waits: list[float] = []
    left = iter(range(args.jobs))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                seed = next(left, None)
            if seed is None:
                return
            start = time.perf_counter()
            ask(url, {**body, "seed": seed})
            with lock:
                waits.append(time.perf_counter() - start)

    start = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - start
    ordered = sorted(waits)
    return {
        "pictures_per_second": len(waits) / seconds,
        "median": statistics.median(ordered),
        "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rows", type=int, nargs="+", default=[1, 4, 8], help="values of --batch")
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--model", default="kirie")
    parser.add_argument("--device")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    print("| --batch | clients | pictures/s | median wait (s) | 95 % wait (s) |\n|---|---|---|---|---|")
    for rows in args.rows:
        for clients in args.clients:
            found = measure(args, rows, clients)
            cells = [f"{found[name]:.2f}" for name in ("pictures_per_second", "median", "p95")]
            print(f"| {rows} | {clients} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
