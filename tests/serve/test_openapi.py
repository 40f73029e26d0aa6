"""schemathesis on the OpenAPI document: whatever is sent, no answer is a server's fault."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from served import Served, in_thread

schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")

WAITING = ("/api/jobs/{job}/events",)  # goes on until the job ends
WORKING = ("/sdapi/v1/reload-checkpoint", "/sdapi/v1/unload-checkpoint")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server whose pictures are small and over at once."""
    limits = {"pixels": 64 * 64, "steps": 1, "count": 1, "queue": 8, "seconds": 5.0, "prompt": 200, "body": 200_000}
    with in_thread(tmp_path_factory.mktemp("fuzzed"), limits=limits) as served:
        yield served


def fuzz(served: Served, examples: int) -> int:
    """How many requests were answered. Fails on any answer of 500 and above that is not said in the document."""
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    schema = schema.exclude(path=list(WAITING + WORKING))
    sent = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def one(case: schemathesis.Case) -> None:
            nonlocal sent
            answer = case.call(base_url=served.url, timeout=60)
            sent += 1
            assert answer.status_code < 500 or answer.status_code in (501, 504), (case.as_curl_command(), answer.text)

        one()
    return sent


def test_a_few_requests_of_each_kind(small: Served) -> None:
    assert fuzz(small, 1) > 30


@pytest.mark.slow
@pytest.mark.skipif("SUKASHI_LONG" not in os.environ, reason="many minutes; SUKASHI_LONG=1 runs it")
def test_many_requests_of_each_kind(small: Served) -> None:
    assert fuzz(small, 100) > 2000
