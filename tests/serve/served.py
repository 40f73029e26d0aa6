"""A live server for tests: the real application behind a real socket, in a thread or in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import torch
import uvicorn

from sukashi.serve.app import make_app
from sukashi.serve.config import Config, Limits
from sukashi.serve.desk import Desk
from sukashi.serve.models import Models
from sukashi.serve.running import bound
from sukashi.shelf import Found

SMALL = {"width": 64, "height": 64, "steps": 2}


@dataclass
class Served:
    url: str
    desk: Desk | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, **options: Any) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=120, **options)

    def ask(self, prompt: str = "a cat", **fields: Any) -> dict[str, Any]:
        with self.client() as client:
            answer = client.post("/api/jobs", json={"prompt": prompt, "seed": 1, **SMALL, **fields})
            assert answer.status_code == 202, answer.text
            return answer.json()

    def wait(self, job: str, seconds: float = 120) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        with self.client() as client:
            while time.monotonic() < deadline:
                told = client.get(f"/api/jobs/{job}").json()
                if told["state"] not in ("queued", "running"):
                    return told
                time.sleep(0.03)
        raise AssertionError(f"the job is still {told['state']}")

    def picture(self, job: str, k: int = 0) -> bytes:
        with self.client() as client:
            answer = client.get(f"/api/jobs/{job}/images/{k}.png")
            assert answer.status_code == 200, answer.text
            return answer.content


@contextlib.contextmanager
def in_thread(
    folder: Path, *, limits: dict[str, Any] | None = None, found: Sequence[Found] = (), **options: Any
) -> Iterator[Served]:
    torch.set_num_threads(1)  # the client of a test needs a core, too
    config = Config(data=folder, limits=Limits(**(limits or {})), **options)
    models = Models(config.model, device="cpu", found=lambda: found)
    app = make_app(config, models)
    listening = bound("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]), daemon=True)
    thread.start()
    served = Served(f"http://127.0.0.1:{listening.getsockname()[1]}", app.state.desk)
    try:
        wait_ready(served)
        yield served
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
        assert not thread.is_alive()


def wait_ready(served: Served, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    with served.client() as client:
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if client.get("/readyz").status_code == 200:
                    return
            time.sleep(0.05)
    raise AssertionError("the server does not get ready")


def in_process(folder: Path, *words: str, log: Path | None = None, ready: bool = True) -> Served:
    """``sukashi serve`` as users start it, waited for unless it need not be ready; the caller kills it."""
    from socket import socket

    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sukashi", "serve", "--port", str(port), "--data", str(folder), "--threads", "1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SUKASHI_FOLDERS": "", "HF_HUB_CACHE": str(folder / "none")}
    where = (log or folder.with_suffix(".log")).open("ab")
    process = subprocess.Popen([*command, *words], env=environment, stderr=where, stdout=where, cwd=folder.parent)
    served = Served(f"http://127.0.0.1:{port}", process=process)
    try:
        if ready:
            wait_ready(served, 300)
    except BaseException:
        process.kill()
        raise
    return served


def kill(served: Served) -> None:
    """kill -9."""
    assert served.process is not None
    served.process.send_signal(signal.SIGKILL)
    served.process.wait(10)


def events(client: httpx.Client, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Server-sent events as (name, data)."""
    with client.stream("GET", path) as answer:
        assert answer.status_code == 200
        name = ""
        for line in answer.iter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))
