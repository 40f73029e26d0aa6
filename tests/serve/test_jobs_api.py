"""Our jobs API: what docs/serve.md says, against a live server."""

from __future__ import annotations

import base64
import io
import json
import threading
import time

from PIL import Image
from served import SMALL, Served, events

import sukashi


def png_of(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def test_a_picture_is_the_one_of_python_bit_for_bit(server: Served) -> None:
    job = server.ask("a girl with glasses", seed=7, count=2)
    done = server.wait(job["id"])
    assert done["state"] == "done" and [image["seed"] for image in done["images"]] == [7, 8]
    pipe = sukashi.load("kirie", device="cpu")
    for k in range(2):
        mine = Image.open(io.BytesIO(server.picture(job["id"], k)))
        assert mine.tobytes() == pipe("a girl with glasses", seed=7 + k, **SMALL).images[0].tobytes()
        assert "a girl with glasses\nSteps: 2, Sampler: DDIM" in mine.text["parameters"] and "sukashi" in mine.text
    assert done["settings"]["guidance"] == 3.0 and done["sampler"] == "ddim" and done["calls"] == 2


def test_events_tell_of_every_step_and_end(server: Served) -> None:
    with server.client() as client:
        job = server.ask("a house", steps=5)
        heard = list(events(client, f"/api/jobs/{job['id']}/events"))
        names = [name for name, _ in heard]
        steps = [data for name, data in heard if name == "step"]
        assert names[-2:] == ["image", "done"] and steps, names
        assert all(data["n"] == 5 and data["preview"].startswith("data:image/webp;base64,") for data in steps)
        assert [data["i"] for data in steps] == sorted({data["i"] for data in steps})
        late = list(events(client, f"/api/jobs/{job['id']}/events"))
        assert [name for name, _ in late] == ["done"] and late[0][1]["images"][0]["k"] == 0


def test_words_are_told_while_drawing(server: Served) -> None:
    """Against the maps of the same run, watched in Python."""
    from torch.nn import functional as F

    from sukashi.watch.attention import attention

    seen = attention(sukashi.load("kirie", device="cpu"))
    seen("a girl with glasses", negative_prompt="hat", seed=1, **SMALL)
    with server.client() as client:
        job = server.ask("a girl with glasses", negative_prompt="hat", attention=["a girl", "Hat", "las"])
        heard = list(events(client, f"/api/jobs/{job['id']}/events?previews=no"))
        told = [data for name, data in heard if name == "attention"]
        assert told and heard[[name for name, _ in heard].index("attention") - 1][0] == "step"
        for data in told:
            assert data["size"] == [8, 8] and (data["n"], data["k"]) == (2, 0)
            girl, hat, nowhere = data["words"]
            wanted = seen.maps[0].word("a girl", step=data["i"] - 1)
            wanted = F.adaptive_avg_pool2d(wanted[None], (8, 8))[0]
            assert base64.b64decode(girl["map"]) == bytes((wanted * 255 / wanted.max()).round().byte().flatten())
            share = [seen.maps[0].share(word)[data["i"] - 1] for word in ("a", "girl")]
            assert abs(girl["share"] - sum(share)) < 1e-4 and hat["side"] == "negative"
            assert nowhere == {"word": "las", "side": None, "share": None, "map": None}
        for wrong in (["dog"], [" "], ["a"] * 33):
            body = {"prompt": "a cat", **SMALL, "attention": wrong}
            assert client.post("/api/jobs", json=body).json()["error"]["param"] == "attention"


def test_cancel_works_within_one_step(server: Served) -> None:
    with server.client() as client:
        job = server.ask("a house", steps=150)
        for name, _ in events(client, f"/api/jobs/{job['id']}/events?previews=no"):
            if name == "step":
                assert client.delete(f"/api/jobs/{job['id']}").json()["state"] == "cancelled"
        assert name == "cancelled"
        assert server.desk is not None
        at = server.desk.metrics.registry.get_sample_value("sukashi_step_seconds_count")
        after = server.ask("a tree", steps=1)
        assert server.wait(after["id"])["state"] == "done"
        now = server.desk.metrics.registry.get_sample_value("sukashi_step_seconds_count")
        assert now is not None and at is not None and now - at <= 2  # its one step, and at most one of the cancelled
        assert client.get(f"/api/jobs/{job['id']}").json()["images"] == []


def test_a_waiting_job_is_cancelled_at_once(server: Served) -> None:
    with server.client() as client:
        first, second = server.ask(steps=40), server.ask("a tree")
        assert second["ahead"] >= 0
        assert client.delete(f"/api/jobs/{second['id']}").json()["state"] == "cancelled"
        client.delete(f"/api/jobs/{first['id']}")
        assert client.delete(f"/api/jobs/{first['id']}").json()["state"] == "cancelled"


def test_history_is_searched_by_words_and_goes_back_in_pages(server: Served) -> None:
    with server.client() as client:
        made = [server.ask(f"hist_{k} 100% ink", steps=1)["id"] for k in range(3)]
        page = client.get("/api/jobs", params={"search": "100% hist_", "limit": 2}).json()
        assert [job["id"] for job in page["jobs"]] == made[:0:-1] and page["next"] == made[1]
        rest = client.get("/api/jobs", params={"search": "ink hist_", "limit": 2, "before": page["next"]}).json()
        assert [job["id"] for job in rest["jobs"]] == made[:1] and rest["next"] is None
        assert client.get("/api/jobs", params={"search": "hist%"}).json()["jobs"] == []
        for job in made:
            server.wait(job)


def test_begins_from_a_picture_and_keeps_what_is_outside_the_mask(server: Served) -> None:
    start = Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).convert("RGB")
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    fields = {"picture": png_of(start), "width": None, "height": None, "steps": 4}
    job = server.ask("a cat", task="inpaint", mask=png_of(mask), feather=0, **fields)
    assert server.wait(job["id"])["state"] == "done"
    made = Image.open(io.BytesIO(server.picture(job["id"])))
    right = (32, 0, 64, 64)
    assert made.crop(right).tobytes() == start.crop(right).tobytes() and made.tobytes() != start.tobytes()
    again = server.ask("a cat", task="image-to-image", strength=0.5, **fields)
    done = server.wait(again["id"])
    assert done["calls"] == 2 and done["options"] == {"strength": 0.5} and done["settings"]["width"] == 64


def test_every_picture_of_a_job_is_asked_for_alike(server: Served) -> None:
    start = png_of(Image.effect_mandelbrot((64, 64), (-2, -1, 1, 1), 50).convert("RGB"))
    fields = {"task": "outpaint", "picture": start, "right": 32, "width": None, "height": None}
    job = server.wait(server.ask("a cat", count=2, **fields)["id"])
    assert job["state"] == "done" and [image["width"] for image in job["images"]] == [96, 96], job["error"]
    alone = server.wait(server.ask("a cat", seed=2, **fields)["id"])
    pictures = [Image.open(io.BytesIO(server.picture(*which))) for which in ((job["id"], 1), (alone["id"], 0))]
    assert pictures[0].tobytes() == pictures[1].tobytes() and job["settings"]["width"] == 96


def test_what_cannot_be_done_is_refused_with_the_field(server: Served) -> None:
    cases = [
        ({"widht": 64}, "unknown field 'widht'"),
        ({"steps": 1000}, "at most 150"),
        ({"width": 4096, "height": 4096}, "pixels"),
        ({"width": 65}, "multiples of 8"),
        ({"count": 99}, "at most 16"),
        ({"guidance": "much"}, "guidance"),
        ({"sampler": "magic"}, "unknown sampler"),
        ({"seed": 2**64}, "seed"),
        ({"task": "image-to-image"}, "needs a picture"),
        ({"picture": "aGVsbG8="}, "not a picture"),
        ({"task": "image-to-image", "picture": "http://127.0.0.1:1/a.png"}, "no address is fetched"),
        ({"task": "image-to-image", "picture": "file:///etc/passwd"}, "no address is fetched"),
        ({"prompt": "a <lora:/etc/passwd:1>"}, "no LoRA is called"),
        ({"prompt": "embedding:../../secret"}, "no embedding is called"),
        ({"loras": [["/etc/passwd", 1.0]]}, "no LoRA is called"),
        ({"controls": [{"path": "/etc/passwd"}]}, "controls"),
        ({"model": "/etc/passwd"}, "there is no model"),
        ({"prompt": "half \ud800"}, "surrogate"),
        ({"prompt": "long " * 9999}, "longer than"),
    ]
    with server.client() as client:
        for fields, sentence in cases:
            body = {"prompt": "a cat", **SMALL, **fields}
            answer = client.post("/api/jobs", content=json.dumps(body), headers={"Content-Type": "application/json"})
            error = answer.json()["error"]
            assert answer.status_code in (404, 422) and sentence in error["message"], (fields, error)


def test_refusals_say_for_programs_what_they_say_for_people(server: Served) -> None:
    with server.client() as client:
        error = client.post("/api/jobs", json={"prompt": "a cat", **SMALL, "steps": 1000}).json()["error"]
        assert error["code"] == "too_many_steps" and error["values"] == {"value": 1000, "most": 150}
        assert error["param"] == "steps" and error["status"] == 422
        error = client.get(f"/api/jobs/{'0' * 24}").json()["error"]
        assert (error["code"], error["values"]) == ("no_job", {})
        big = client.post("/api/jobs", json={"prompt": "a cat", **SMALL, "seed": str(2**64 - 2)}).json()
        assert big["settings"]["seed"] == 2**64 - 2  # digits in a text, as pages must send what is beyond 2**53


def test_names_of_files_are_strict(server: Served) -> None:
    job = server.ask(steps=1)["id"]
    server.wait(job)
    with server.client() as client:
        for path in (f"{job}/images/1.png", f"{job}/images/..%2f..%2fjobs.sqlite", f"{job}/images/0", "x/images/0.png"):
            assert client.get(f"/api/jobs/{path}").status_code == 404, path
        assert client.get("/web/..%2f__init__.py").status_code == 404
        assert client.get(f"/api/jobs/{'0' * 24}").json()["error"]["status"] == 404


def test_what_there_is_is_told(server: Served) -> None:
    with server.client() as client:
        about = client.get("/api/about").json()
        assert about["models"][0]["defaults"] == {"width": 128, "height": 128, "steps": 20, "guidance": 3.0}
        assert {"ddim", "euler_a"} <= {sampler["name"] for sampler in about["samplers"]} and about["batch"] == 1
        assert client.get("/healthz").json() == {"status": "ok"} and client.get("/readyz").status_code == 200
        tokens = client.post("/api/tokens", json={"prompt": "a (red:1.5) hat"}).json()
        weights = {token["text"].strip(): token["weight"] for token in tokens["tokens"]}
        assert weights["red"] == 1.5 and weights["hat"] == 1.0 and tokens["chunks"] == 1
        walk = client.post("/api/schedule", json={"sampler": "Heun", "grid": "karras", "steps": 7}).json()
        assert len(walk["levels"]) == 8 and walk["calls"] == 13 and walk["levels"][-1]["sigma"] == 0
        assert client.post("/api/schedule", json={"sampler": "no"}).status_code == 422
        metrics = client.get("/metrics").text
        assert "sukashi_pictures_total" in metrics and 'route="/api/about"' in metrics


def test_reads_and_compares_pictures(server: Served) -> None:
    job = server.ask("read me", seed=3, guidance=5.5, sampler="Euler a")["id"]
    server.wait(job)
    mine = "data:image/png;base64," + base64.b64encode(server.picture(job)).decode()
    with server.client() as client:
        told = client.post("/api/read", json={"picture": mine}).json()
        assert told["tool"] == "sukashi" and told["model"] == "kirie" and told["settings"]["guidance"] == 5.5
        again = server.ask(**told["settings"])["id"]
        server.wait(again)
        pair = {"a": mine, "b": f"{server.url}/api/jobs/{again}/images/0.png"}
        assert client.post("/api/diff", json=pair).json()["equal"] is True
        other = server.ask("something else")["id"]
        server.wait(other)
        differ = client.post("/api/diff", json={"a": mine, "b": f"/api/jobs/{other}/images/0.png"}).json()
        assert differ["largest"] > 0 and differ["psnr"] < 60 and differ["differing"] > 0
        assert client.post("/api/diff", json={"a": mine, "b": "http://127.0.0.1:1/x.png"}).status_code == 422
        nothing = client.post("/api/read", json={"picture": png_of(Image.new("RGB", (8, 8)))}).json()
        assert nothing["tool"] is None and nothing["settings"] is None


def test_a_run_is_seen_through_and_its_view_is_kept(server: Served) -> None:
    job = server.ask("a dog", attention=True)["id"]
    assert server.wait(job)["state"] == "done"
    plainly = server.ask("a dog")["id"]
    server.wait(plainly)
    assert server.picture(job) == server.picture(plainly)  # watching changes nothing
    with server.client() as client:
        view = client.get(f"/api/jobs/{job}/see").json()
        assert view["version"] == 1 and len(view["steps"]) == 2 and view["attention"]["words"]
        assert server.desk is not None and server.desk.store.files.view(job, 0).is_file()
        assert client.get(f"/api/jobs/{job}/see", params={"k": 5}).status_code == 404


def test_a_slow_reader_and_a_vanished_client_hold_up_nobody(server: Served) -> None:
    job = server.ask("a house", steps=30)
    with server.client() as client, client.stream("GET", f"/api/jobs/{job['id']}/events?previews=vae") as slow:
        next(slow.iter_bytes())  # and reads no more
        assert server.wait(job["id"])["state"] == "done"

    def hang_up() -> None:
        with server.client() as client:
            try:
                client.post("/sdapi/v1/txt2img", json={"prompt": "vanishing", **SMALL, "steps": 150}, timeout=1.0)
            except Exception:
                return

    thread = threading.Thread(target=hang_up)
    thread.start()
    thread.join()
    start = time.monotonic()
    after = server.ask("a tree", steps=1)
    assert server.wait(after["id"])["state"] == "done" and time.monotonic() - start < 8
    with server.client() as client:
        gone = client.get("/api/jobs", params={"search": "vanishing"}).json()["jobs"][0]
        assert gone["state"] == "cancelled"
