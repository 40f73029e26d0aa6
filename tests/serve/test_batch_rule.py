"""The batch rule: in always the same rows, neighbours change no bit; and clients take turns."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from served import SMALL, Served, in_thread

import sukashi
from sukashi.pipeline import Pipeline
from sukashi.serve import batching
from sukashi.serve.jobs.queue import Queue, Unit, Waiting
from sukashi.settings import Settings

ASKED = Settings(prompt="a girl with glasses", negative_prompt="hat", seed=3, **SMALL)
OTHERS = [
    Settings(prompt=prompt, seed=seed, **SMALL) for prompt, seed in (("a house at night", 900), ("", 3), ("a dog", 1))
]


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    torch.set_num_threads(1)
    return sukashi.load("kirie", device="cpu")


@pytest.mark.parametrize("sampler", ["ddim", "euler_a"])
@pytest.mark.parametrize("rows", [2, 4])
def test_neighbours_change_no_bit(pipe: Pipeline, sampler: str, rows: int) -> None:
    mine, others = replace(ASKED, sampler=sampler), [replace(one, sampler=sampler) for one in OTHERS]
    alone = batching.draw(pipe, [mine], rows)[0]
    assert len(alone.images) == 1 and alone.requests[0].seed == 3
    for place in range(rows):
        asked = [*others[:place], mine, *others[place : rows - 1]]
        assert torch.equal(batching.draw(pipe, asked, rows)[place].latents, alone.latents), place


def test_the_pictures_are_those_of_the_pipeline_but_for_the_last_bits(pipe: Pipeline) -> None:
    drawn = batching.draw(pipe, [ASKED, *OTHERS], 4)
    plainly = pipe(**ASKED.to_dict())
    assert torch.allclose(drawn[0].latents, plainly.latents, atol=1e-4)
    one = batching.draw(pipe, [ASKED], 1)[0]
    assert torch.equal(one.latents, plainly.latents)  # one row is the plain run
    assert "one of 4 rows" in drawn[0].notes[-1]


def test_what_is_batched_and_what_is_not(pipe: Pipeline) -> None:
    def key(**fields: object) -> object:
        return batching.key("text-to-image", "kirie", replace(ASKED, **fields).to_dict())  # type: ignore[arg-type]

    assert key() == key(prompt="other", negative_prompt=None, seed=9, count=4)
    assert len({key(), key(steps=3), key(width=128), key(sampler="euler"), key(guidance=2.0), key(clip_skip=2)}) == 6
    assert key(negative_start=0.5) is None and key(seamless="x") is None
    assert batching.key("two-pass", "kirie", ASKED.to_dict()) is None
    assert batching.fits(pipe, ASKED) and not batching.fits(pipe, replace(ASKED, prompt="a (red:1.2) hat"))
    assert not batching.fits(pipe, replace(ASKED, prompt="a cat and a dog in a red hat " * 30))
    with pytest.raises(ValueError, match="do not go into"):
        batching.run(pipe, [ASKED] * 3, 2)


def test_clients_take_turns_picture_by_picture() -> None:
    queue = Queue()
    queue.put(Waiting("a1", "a", [0, 1, 2, 3], "x"))
    queue.put(Waiting("a2", "a", [0], "x"))
    queue.put(Waiting("b1", "b", [0, 1], "y"))
    assert queue.length() == 7 and queue.length("a") == 5 and queue.ahead("b1") == 1 and queue.ahead("a2") == 6
    order = [queue.take(1)[0] for _ in range(7)]
    told = [f"{unit.job}.{unit.k}" for unit in order]
    assert told == ["a1.0", "b1.0", "a1.1", "b1.1", "a1.2", "a1.3", "a2.0"]
    assert queue.take(1, timeout=0.01) == []

    queue.put(Waiting("a1", "a", [0, 1, 2], "x"))
    queue.put(Waiting("b1", "b", [0], "y"))
    queue.put(Waiting("c1", "c", [0, 1], "x"))
    assert queue.take(4) == [Unit("a1", 0), Unit("c1", 0), Unit("a1", 1), Unit("c1", 1)]
    assert queue.take(4) == [Unit("b1", 0)] and queue.take(4) == [Unit("a1", 2)]
    queue.put(Waiting("d", "d", [0], None))
    queue.drop("d")
    assert queue.length() == 0


@pytest.mark.parametrize("rows", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_eight_clients_get_what_each_would_get_alone(tmp_path: Path, rows: int) -> None:
    with in_thread(tmp_path, batch=rows) as served:
        wanted = {(client, n): f"client {client} wish {n}" for client in range(8) for n in range(2)}
        made: dict[tuple[int, int], bytes] = {}

        def work(client: int) -> None:
            for n in range(2):
                job = served.ask(wanted[client, n], seed=10 * client + n, steps=1 + n)["id"]
                assert served.wait(job)["state"] == "done"
                made[client, n] = served.picture(job)

        threads = [threading.Thread(target=work, args=(client,)) for client in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert len(made) == 16
        for client, n in ((0, 0), (3, 1), (7, 0)):
            again = served.ask(wanted[client, n], seed=10 * client + n, steps=1 + n)["id"]
            served.wait(again)
            assert served.picture(again) == made[client, n], (client, n)
        note = "drawn as one of 3 rows" in str(served.wait(again)["notes"])
        assert note == (rows == 3)
        batched = served.desk.metrics.registry.get_sample_value("sukashi_batch_pictures_sum") if served.desk else None
        assert batched == 19


def test_a_server_of_one_row_is_asked_by_two(server: Served) -> None:
    with server.client(headers={"X-Client": "one"}) as one, server.client(headers={"X-Client": "two"}) as two:
        first = one.post("/api/jobs", json={"prompt": "x", **SMALL, "count": 8}).json()["id"]
        second = two.post("/api/jobs", json={"prompt": "x", **SMALL}).json()["id"]
        server.wait(second)
        assert one.get(f"/api/jobs/{first}").json()["state"] == "running"  # two did not wait for one's eight
        one.delete(f"/api/jobs/{first}")
