"""What is deleted, and what never is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from served import SMALL, Served

from sukashi.cli.exits import Misuse
from sukashi.cli.serve import kept
from sukashi.serve.config import Keep
from sukashi.serve.jobs.files import write_whole
from sukashi.serve.jobs.job import Drawn, Wish
from sukashi.serve.jobs.keeping import Keeper
from sukashi.serve.jobs.store import Store


def finished(store: Store, prompt: str, size: int = 1000) -> str:
    """A job that is done, with a picture and a view of so many bytes together."""
    job = store.add(Wish(model="kirie", settings={"prompt": prompt, "seed": 1, "count": 1}, inputs={"picture": b"in"}))
    store.start(job.id)
    write_whole(store.files.picture(job.id, 0), b"x" * (size - 102))
    write_whole(store.files.view(job.id, 0), b"y" * 100)
    store.finish_picture(job.id, Drawn(k=0, seed=1, width=8, height=8), {})
    return job.id


def files(store: Store) -> list[str]:
    folders = (store.files.pictures, store.files.inputs, store.files.views)
    return sorted(path.name.partition("-")[0] for folder in folders for path in folder.iterdir())


def test_nothing_is_deleted_unless_asked(tmp_path: Path) -> None:
    store = Store(tmp_path)
    made = [finished(store, f"{k}") for k in range(3)]
    assert Keeper(store, Keep()).sweep(time.time() + 1e6) == 0 and len(store.history()) == 3
    assert files(store) == sorted(made * 3)
    store.close()


@pytest.mark.parametrize("keep", [Keep(jobs=2), Keep(bytes=2500), Keep(jobs=2, bytes=10**9)])
def test_the_newest_stay(tmp_path: Path, keep: Keep, capfd: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    made = [finished(store, f"{k}") for k in range(4)]
    waiting = store.add(Wish(model="kirie", settings={"prompt": "waits", "seed": 1, "count": 1}))
    assert Keeper(store, keep).sweep() == 0  # who asked has a minute to fetch them
    keeper = Keeper(store, keep)
    assert keeper.sweep(time.time() + 61) == 2 and keeper.sweep(time.time() + 61) == 0
    assert [job.id for job in store.history()] == [waiting.id, *made[:1:-1]]
    assert files(store) == sorted(made[2:] * 3)
    log = capfd.readouterr().err
    assert all(f'"deleted", "id": "{job}"' in log for job in made[:2]) and "--keep" in log
    store.close()


def test_a_crash_while_deleting_leaves_nothing_behind(tmp_path: Path) -> None:
    store = Store(tmp_path)
    gone, stays = finished(store, "gone"), finished(store, "stays")
    store.files.remove = lambda job: None  # type: ignore[method-assign]  # the power went
    assert store.forget(gone) and not store.forget(gone)
    store.close()
    store = Store(tmp_path)
    store.recover()
    assert files(store) == [stays] * 3 and store.find(gone) is None
    store.close()


def test_what_keep_means() -> None:
    assert dict(map(kept, ["500", "1.5GB"])) == {"jobs": 500, "bytes": 1_500_000_000}
    assert kept("2 GiB") == ("bytes", 2**31)
    for wrong in ("0", "0GB", "-1", "1.5", "much", "10 apples", "٣"):
        with pytest.raises(Misuse, match="--keep is"):
            kept(wrong)


def test_a_job_is_deleted_with_its_pictures(server: Served) -> None:
    job = server.ask("delete me", steps=1)["id"]
    server.wait(job)
    assert server.desk is not None
    picture = server.desk.store.files.picture(job, 0)
    with server.client() as client:
        assert client.delete(f"/api/jobs/{job}").json()["state"] == "done" and picture.is_file()
        assert client.delete(f"/api/jobs/{job}?forget=true").json()["state"] == "deleted" and not picture.exists()
        assert client.delete(f"/api/jobs/{job}?forget=true").status_code == 404
        for path in ("", "/images/0.png", "/see", "/events"):
            assert client.get(f"/api/jobs/{job}{path}").status_code == 404
        assert client.get("/api/jobs", params={"search": "delete me"}).json()["jobs"] == []
        running = client.post("/api/jobs", json={"prompt": "still drawn", **SMALL, "steps": 150}).json()["id"]
        while client.get(f"/api/jobs/{running}").json()["state"] == "queued":
            pass
        assert client.delete(f"/api/jobs/{running}?forget=true").json()["state"] == "deleted"
        after = server.ask("a tree", steps=1)["id"]
        assert server.wait(after)["state"] == "done" and running not in server.desk.lives.jobs
