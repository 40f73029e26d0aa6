"""Who may come in, and with how much."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from served import SMALL, Served, in_thread

BASIC = {"Authorization": "Basic " + base64.b64encode("anna:päss:word".encode()).decode()}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    limits = {"body": 4000, "queue": 6, "waiting": 4, "seconds": 0.5, "count": 4}
    who = {"auth": (("anna", "päss:word"),), "keys": ("k-123",), "origins": ("https://friend.example",)}
    with in_thread(tmp_path_factory.mktemp("guarded"), limits=limits, **who) as served:
        yield served


def test_without_credentials_only_health_is_told(guarded: Served) -> None:
    with guarded.client() as client:
        for path, key in (
            ("/sdapi/v1/options", "detail"),
            ("/v1/models", "error"),
            ("/api/about", "error"),
            ("/", "error"),
        ):
            answer = client.get(path)
            assert answer.status_code == 401 and key in answer.json() and "Basic" in answer.headers["www-authenticate"]
        assert client.get("/healthz").status_code == 200
        for wrong in ("Basic YW5uYTp3cm9uZw==", "Basic ???", "Bearer k-1234", "Bearer", "k-123"):
            assert client.get("/api/about", headers={"Authorization": wrong}).status_code == 401
        for right in (BASIC, {"Authorization": "Bearer k-123"}):
            assert client.get("/api/about", headers=right).json()["auth"] is True


def test_foreign_names_and_foreign_pages_are_kept_out(guarded: Served) -> None:
    with guarded.client(headers=BASIC) as client:
        assert client.get("/api/about", headers={"Host": "evil.example"}).status_code == 403
        assert client.get("/api/about", headers={"Origin": "https://evil.example"}).status_code == 403
        friend = client.get("/api/about", headers={"Origin": "https://friend.example"})
        assert friend.status_code == 200 and friend.headers["access-control-allow-origin"] == "https://friend.example"
        asks = {"Origin": "https://friend.example", "Access-Control-Request-Method": "POST", "Authorization": ""}
        assert client.options("/api/jobs", headers=asks).status_code == 200
        assert client.options("/api/jobs", headers={**asks, "Origin": "https://evil.example"}).status_code == 403
        assert client.get("/api/about", headers={"Origin": guarded.url}).status_code == 200


def test_large_requests_are_refused_while_they_arrive(guarded: Served) -> None:
    with guarded.client(headers=BASIC) as client:
        answer = client.post("/sdapi/v1/txt2img", json={"prompt": "x" * 5000})
        assert answer.status_code == 413 and "larger than 4,000 bytes" in answer.json()["detail"]
        answer = client.post("/api/jobs", content=(b"x" * 1000 for _ in range(5)))  # in chunks, without a length
        assert answer.status_code == 413
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=10) as raw:  # says much, sends nothing
        raw.sendall(b"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\nAuthorization: ")
        raw.sendall(BASIC["Authorization"].encode() + b"\r\n\r\n")
        assert b" 413 " in raw.recv(200)


def test_a_full_queue_says_so_and_a_long_picture_is_stopped(guarded: Served) -> None:
    with guarded.client(headers=BASIC) as client:
        body = {"prompt": "a cat", **SMALL, "steps": 150, "count": 4}
        answers = [client.post("/api/jobs", json=body) for _ in range(4)]
        assert 429 in {answer.status_code for answer in answers}
        accepted = [answer.json()["id"] for answer in answers if answer.status_code == 202]
        full = next(answer.json() for answer in answers if answer.status_code == 429)
        assert "queue is full" in full["error"]["message"]
        while (told := client.get(f"/api/jobs/{accepted[0]}").json())["state"] in ("queued", "running"):
            pass
        assert told["state"] == "failed" and "took longer than 0.5 seconds" in told["error"]
        assert told["why"]["code"] == "too_long" and told["why"]["values"]["seconds"] == "0.5"
        for job in accepted:
            client.delete(f"/api/jobs/{job}")
        sync = client.post("/v1/images/generations", json={"prompt": "a cat", "size": "64x64", "steps": 150})
        assert sync.status_code == 504 and sync.json()["error"]["type"] == "server_error"


def test_logs_hold_no_prompts(guarded: Served, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with guarded.client(headers=BASIC) as client:
        client.post("/api/jobs?secret=query", json={"prompt": "a very private wish", **SMALL})
        client.post("/api/jobs", json={"prompt": "a very private wish", "sampler": "a very private wish"})
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    assert {"asked", "request"} <= {line["event"] for line in lines}
    assert "private" not in json.dumps(lines) and "secret" not in json.dumps(lines)
