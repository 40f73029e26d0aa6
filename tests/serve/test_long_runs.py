"""Long runs of a server: memory stays, and so does what was drawn."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from served import SMALL, Served, in_process, kill


def resident(served: Served) -> int:
    """Bytes of memory that the process holds."""
    assert served.process is not None
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def draw(served: Served, jobs: int) -> None:
    with served.client() as client:
        for k in range(jobs):
            body = {"prompt": f"a cat {k}", "steps": 1, "width": 32, "height": 32, "seed": k}
            way = ("/sdapi/v1/txt2img", "/v1/images/generations", "/api/jobs")[k % 3]
            extra = {"size": "32x32", "width": None, "height": None} if way.startswith("/v1") else {}
            answer = client.post(way, json={**SMALL, **body, **extra})
            assert answer.status_code in (200, 202), answer.text
            if way == "/api/jobs":
                served.wait(answer.json()["id"])


@pytest.mark.slow
@pytest.mark.skipif("SUKASHI_LONG" not in os.environ, reason="many minutes; SUKASHI_LONG=1 runs it")
def test_memory_is_flat_over_a_thousand_jobs(tmp_path: Path) -> None:
    served = in_process(tmp_path / "data")
    try:
        draw(served, 150)
        before = resident(served)
        draw(served, 1000)
        grown = resident(served) - before
        print(f"{before / 2**20:.0f} MiB after 150 jobs, {grown / 2**20:+.1f} MiB after 1,000 more")
        assert grown < 40 * 2**20
    finally:
        kill(served)


@pytest.mark.slow
@pytest.mark.skipif("SUKASHI_LONG" not in os.environ, reason="many minutes; SUKASHI_LONG=1 runs it")
def test_eight_clients_and_two_hundred_jobs(tmp_path: Path) -> None:
    import threading

    served = in_process(tmp_path / "data", "--batch", "4")
    made: dict[int, bytes] = {}

    def work(client: int) -> None:
        for n in range(client, 200, 8):
            job = served.ask(f"picture {n}", seed=n)["id"]
            assert served.wait(job, 600)["state"] == "done"
            made[n] = served.picture(job)

    try:
        threads = [threading.Thread(target=work, args=(client,)) for client in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(made) == 200
        for n in range(200):  # each alone, at the same batch rule
            job = served.ask(f"picture {n}", seed=n)["id"]
            served.wait(job)
            assert served.picture(job) == made[n], n
    finally:
        kill(served)
