"""kill -9 at random moments loses nothing and doubles nothing: while asking, while drawing, while starting again."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import random
import sqlite3
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from PIL import Image
from served import SMALL, Served, in_process, kill

import sukashi


@dataclass
class Seen:
    """What clients were told before the server died."""

    asked: dict[str, tuple[int, int]] = field(default_factory=dict)  # job: seed, count
    unanswered: set[int] = field(default_factory=set)  # seeds of requests that the kill came before the answer of
    finished: dict[tuple[str, int], str] = field(default_factory=dict)  # digests of pictures that were fetched
    interrupted: Counter[str] = field(default_factory=Counter)


def live_through(served: Served, seen: Seen, after: float, chance: random.Random, jobs: int) -> None:
    """Ask for jobs and fetch pictures until the kill comes."""
    timer = threading.Timer(after, kill, [served])
    timer.start()
    with contextlib.suppress(httpx.TransportError):
        for _ in range(jobs):
            seed, count = 2 * (len(seen.asked) + len(seen.unanswered)), chance.choice((1, 2))
            seen.unanswered.add(seed)
            job = served.ask(f"job {seed}", seed=seed, count=count)["id"]
            seen.unanswered.discard(seed)
            seen.asked[job] = (seed, count)
            time.sleep(after * chance.random() / jobs)
        while True:
            remember(served, seen)
    timer.join()


def remember(served: Served, seen: Seen) -> None:
    with served.client() as client:
        for told in client.get("/api/jobs", params={"limit": 20}).json()["jobs"]:
            for image in told["images"]:
                if (told["id"], image["k"]) not in seen.finished:
                    data = served.picture(told["id"], image["k"])
                    seen.finished[told["id"], image["k"]] = hashlib.sha256(data).hexdigest()
    time.sleep(0.02)


def states(folder: Path) -> Counter[str]:
    """Jobs by their state, as the dead server left them."""
    with contextlib.closing(sqlite3.connect(folder / "jobs.sqlite")) as file:
        return Counter(state for (state,) in file.execute("SELECT state FROM jobs"))


def killed_and_checked(folder: Path, kills: int, seed: int, jobs: int) -> Seen:
    chance, seen = random.Random(seed), Seen()
    for n in range(kills):
        began = time.monotonic()
        served = in_process(folder, ready=n % 5 != 4)
        most = max(2.0, (time.monotonic() - began) / 2)  # seconds to the kill; more where the machine is slow
        if n % 5 == 4:  # killed while it starts and takes up what was left
            time.sleep(chance.random() * 6)
            kill(served)
        else:
            live_through(served, seen, chance.random() * most, chance, jobs)
        seen.interrupted += states(folder)
    served = in_process(folder)
    try:
        finish_and_check(served, seen)
    finally:
        kill(served)
    rows = sqlite3.connect(folder / "jobs.sqlite").execute("SELECT job, k FROM pictures").fetchall()
    files = sorted(path.name for path in (folder / "pictures").iterdir())
    assert files == sorted(f"{job}-{k}.png" for job, k in rows)
    assert len(files) == sum(count for _, count in seen.asked.values())
    print(f"{kills} kills, {len(seen.asked)} jobs, {len(files)} pictures, {len(seen.finished)} fetched before a kill;")
    print(f"jobs that a kill found running {seen.interrupted['running']}, waiting {seen.interrupted['queued']}")
    return seen


def finish_and_check(served: Served, seen: Seen) -> None:
    with served.client() as client:
        listed, more = [], {}
        while (page := client.get("/api/jobs", params={"limit": 200, **more}).json())["jobs"]:
            listed += page["jobs"]
            more = {"before": page["jobs"][-1]["id"]}
    for told in listed:  # a request whose answer was lost was kept, or was not; it is not there twice
        if told["id"] not in seen.asked:
            seen.unanswered.remove(told["settings"]["seed"])
            seen.asked[told["id"]] = (told["settings"]["seed"], told["count"])
    assert len(listed) == len(seen.asked) == len({told["id"] for told in listed})
    pipe = sukashi.load("kirie", device="cpu")
    for job, (seed, count) in seen.asked.items():
        done = served.wait(job, 600)
        assert done["state"] == "done" and [image["k"] for image in done["images"]] == list(range(count))
        for k in range(count):
            data = served.picture(job, k)
            if (job, k) in seen.finished:  # what was there stayed as it was
                assert hashlib.sha256(data).hexdigest() == seen.finished[job, k]
            alone = pipe(f"job {seed}", seed=seed + k, **SMALL).images[0]
            assert Image.open(io.BytesIO(data)).tobytes() == alone.tobytes()


@pytest.mark.slow
def test_two_kills(tmp_path: Path) -> None:
    killed_and_checked(tmp_path / "data", kills=2, seed=1, jobs=2)


@pytest.mark.slow
@pytest.mark.skipif("SUKASHI_LONG" not in os.environ, reason="many minutes; SUKASHI_LONG=1 runs it")
def test_fifty_kills(tmp_path: Path) -> None:
    seen = killed_and_checked(tmp_path / "data", kills=50, seed=2, jobs=3)
    assert seen.interrupted["running"] > 10 and seen.interrupted["queued"] > 10
