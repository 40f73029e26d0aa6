"""The store: a picture counts once its row is written, and whatever is left half is removed or done again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sukashi.serve.jobs.files import checked, write_whole
from sukashi.serve.jobs.job import Drawn, Wish, seed_of
from sukashi.serve.jobs.store import Store
from sukashi.settings import Settings


def wish(prompt: str = "a cat", count: int = 2, **inputs: bytes) -> Wish:
    return Wish(model="kirie", settings=Settings(prompt=prompt, seed=5, count=count).to_dict(), inputs=inputs)


def test_the_way_of_a_job(tmp_path: Path) -> None:
    store = Store(tmp_path)
    job = store.add(wish())
    assert job.state == "queued" and store.start(job.id) and store.job(job.id).started is not None
    first = store.finish_picture(job.id, Drawn(k=0, seed=5, width=8, height=8), {"calls": 1})
    assert first is not None and first.state == "running" and first.facts == {"calls": 1}
    again = store.finish_picture(job.id, Drawn(k=0, seed=5, width=8, height=8), {})
    assert again is not None and len(again.images) == 1  # twice is once
    last = store.finish_picture(job.id, Drawn(k=1, seed=6, width=8, height=8), {})
    assert last is not None and last.state == "done" and [drawn.seed for drawn in last.images] == [5, 6]
    assert not store.end(job.id, "cancelled") and not store.start(job.id)
    assert store.finish_picture(job.id, Drawn(k=1, seed=6, width=8, height=8), {}) is None
    assert store.numbers() == {"done": 1} and json.dumps(last.told())


def test_what_was_cancelled_takes_no_picture(tmp_path: Path) -> None:
    store = Store(tmp_path)
    job = store.add(wish())
    store.start(job.id)
    assert store.end(job.id, "cancelled")
    assert store.finish_picture(job.id, Drawn(k=0, seed=5, width=8, height=8), {}) is None
    assert store.recover() == []


def test_after_a_crash_halves_are_gone_and_the_rest_goes_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    begun, waiting, done = store.add(wish("begun", picture=b"p")), store.add(wish("waits")), store.add(wish("done", 1))
    for job in (begun, done):
        store.start(job.id)
        write_whole(store.files.picture(job.id, 0), b"whole")
        store.finish_picture(job.id, Drawn(k=0, seed=5, width=8, height=8), {})
    write_whole(store.files.picture(begun.id, 1), b"written, but not entered")
    (store.files.pictures / ".1234.tmp").write_bytes(b"half")
    (store.files.inputs / f"{'0' * 24}-picture").write_bytes(b"of a job that was never entered")
    store.close()

    store = Store(tmp_path)
    left = store.recover()
    assert [(job.id, len(job.images)) for job in left] == [(begun.id, 1), (waiting.id, 0)]
    there = sorted(path.name for path in store.files.pictures.iterdir())
    assert there == sorted([f"{begun.id}-0.png", f"{done.id}-0.png"])
    assert [path.name for path in store.files.inputs.iterdir()] == [f"{begun.id}-picture"]


def test_ids_are_the_only_names(tmp_path: Path) -> None:
    for name in ("../../etc", "x" * 24, "0" * 23, "0" * 24 + "\n", ""):
        with pytest.raises(ValueError, match="not the id"):
            checked(name)
    with pytest.raises(ValueError, match="has no"):
        Store(tmp_path).files.input("0" * 24, "../mask")


def test_a_folder_has_one_server(tmp_path: Path) -> None:
    first = Store(tmp_path)
    with pytest.raises(OSError, match="another server keeps its jobs in"):
        Store(tmp_path)
    first.close()
    Store(tmp_path).close()


def test_seeds_of_pictures() -> None:
    settings = Settings(seed=5, count=3).to_dict()
    assert seed_of(settings, 2)["seed"] == 7 and seed_of(settings, 2)["count"] == 1
    varied = Settings(seed=5, variation=0.3, variation_seed=9).to_dict()
    assert (seed_of(varied, 2)["seed"], seed_of(varied, 2)["variation_seed"]) == (5, 11)
