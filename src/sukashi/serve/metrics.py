"""What Prometheus may ask: counted here, in a registry of its own for each server."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)


class Metrics:
    """The numbers of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("sukashi_requests", "HTTP requests", ["method", "route", "status"], **own)
        self.latency = Histogram("sukashi_request_seconds", "until the answer began", ["route"], buckets=SECONDS, **own)
        self.jobs = Counter("sukashi_jobs", "jobs that ended", ["api", "state"], **own)
        self.pictures = Counter("sukashi_pictures", "pictures drawn", ["api"], **own)
        self.steps = Histogram("sukashi_step_seconds", "one step of a sampler", buckets=SECONDS, **own)
        self.rows = Histogram("sukashi_batch_pictures", "pictures drawn together", buckets=(1, 2, 4, 8, 16, 32), **own)
        self.queue = Gauge("sukashi_queue_pictures", "pictures that wait", **own)
        self.models = Gauge("sukashi_model_bytes", "bytes of the models that are loaded", **own)

    def step(self, seconds: float) -> None:
        """A step was made."""
        self.steps.observe(seconds)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
