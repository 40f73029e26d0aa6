"""kill -9 at random moments loses nothing and doubles nothing."""

from __future__ import annotations

import hashlib
import os
import random
import sqlite3
import time
from pathlib import Path

import pytest
from served import Served, in_process, kill


def killed_and_checked(folder: Path, kills: int, seed: int, jobs: int) -> None:
    chance = random.Random(seed)
    asked: dict[str, tuple[str, int]] = {}
    finished: dict[tuple[str, int], str] = {}
    for _ in range(kills):
        served = in_process(folder)
        try:
            for _ in range(jobs):
                count = chance.choice((1, 2))
                job = served.ask(f"job {len(asked)}", seed=len(asked), count=count)["id"]
                asked[job] = (f"job {len(asked)}", count)
            time.sleep(chance.random() * 2)
            remember(served, asked, finished)
        finally:
            kill(served)
    served = in_process(folder)
    try:
        for job, (_, count) in asked.items():
            done = served.wait(job)
            assert done["state"] == "done" and [image["k"] for image in done["images"]] == list(range(count))
        for (job, k), digest in finished.items():  # what was there stayed as it was
            assert hashlib.sha256(served.picture(job, k)).hexdigest() == digest
        with served.client() as client:
            listed = client.get("/api/jobs", params={"limit": 200}).json()["jobs"]
        assert {job["id"] for job in listed} == set(asked) and len(listed) == len(asked)
    finally:
        kill(served)
    rows = sqlite3.connect(folder / "jobs.sqlite").execute("SELECT job, k FROM pictures").fetchall()
    files = sorted(path.name for path in (folder / "pictures").iterdir())
    assert files == sorted(f"{job}-{k}.png" for job, k in rows) and len(files) == sum(n for _, n in asked.values())


def remember(served: Served, asked: dict[str, tuple[str, int]], finished: dict[tuple[str, int], str]) -> None:
    with served.client() as client:
        for job in asked:
            for image in client.get(f"/api/jobs/{job}").json()["images"]:
                data = served.picture(job, image["k"])
                finished.setdefault((job, image["k"]), hashlib.sha256(data).hexdigest())


def test_two_kills(tmp_path: Path) -> None:
    killed_and_checked(tmp_path / "data", kills=2, seed=1, jobs=2)


@pytest.mark.slow
@pytest.mark.skipif("SUKASHI_LONG" not in os.environ, reason="many minutes; SUKASHI_LONG=1 runs it")
def test_fifty_kills(tmp_path: Path) -> None:
    killed_and_checked(tmp_path / "data", kills=50, seed=2, jobs=3)
