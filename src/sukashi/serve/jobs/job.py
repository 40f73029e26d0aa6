"""A job as it is asked for, as it is kept, and as it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OPEN, OVER = ("queued", "running"), ("done", "failed", "cancelled")
STATES = (*OPEN, *OVER)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What somebody asks for, checked: fields of ``Settings`` with the seed drawn, and what the task takes besides."""

    task: str = "text-to-image"
    model: str
    settings: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, bytes] = field(default_factory=dict)  # "picture", "mask": files as they came
    attention: bool | list[str] = False  # whether the run is watched; or the words that events tell of
    api: str = "jobs"
    client: str = ""

    @property
    def count(self) -> int:
        """Pictures of the job."""
        return int(self.settings["count"])


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One finished picture of a job."""

    k: int
    seed: int
    width: int
    height: int
    stopped: int | None = None  # the step after which it was broken off


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as the store has it. Times are seconds since 1970."""

    id: str
    number: int  # in the order of asking
    state: str
    task: str
    model: str
    api: str
    client: str
    settings: dict[str, Any]
    options: dict[str, Any]
    inputs: tuple[str, ...]  # names of its files
    attention: bool | list[str]
    created: float
    started: float | None
    finished: float | None
    facts: dict[str, Any]  # of the run: sampler, grid, calls, seconds, notes, and what was filled in
    error: str | None
    images: Sequence[Drawn] = ()

    @property
    def count(self) -> int:
        """Pictures asked for."""
        return int(self.settings["count"])

    @property
    def over(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.state in OVER

    @property
    def shown(self) -> dict[str, Any]:
        """The settings, with what was left open filled in as the run had it."""
        filled = self.facts.get("filled", {})
        return {name: filled.get(name) if value is None else value for name, value in self.settings.items()}

    def told(self, ahead: int = 0) -> dict[str, Any]:
        """The JSON of docs/serve.md."""
        address = f"/api/jobs/{self.id}"
        images: list[dict[str, Any]] = [
            {"k": d.k, "seed": d.seed, "width": d.width, "height": d.height}
            | {"url": f"{address}/images/{d.k}.png", "stopped": d.stopped}
            for d in self.images
        ]
        facts = {name: self.facts.get(name) for name in ("sampler", "grid", "calls", "seconds")}
        return {
            "id": self.id,
            "state": self.state,
            "ahead": ahead,
            "task": self.task,
            "model": self.model,
            "api": self.api,
            "settings": self.shown,
            "options": self.options,
            "count": self.count,
            "created": self.created,
            "started": self.started,
            "finished": self.finished,
            **facts,
            "notes": list(self.facts.get("notes", ())),
            "error": self.error,
            "why": self.facts.get("why"),
            "images": images,
            "attention": self.attention,
            "see": f"{address}/see",
        }


def seed_of(settings: Mapping[str, Any], k: int) -> dict[str, Any]:
    """The settings of picture k alone: seed + k, and of variations variation_seed + k (A1111's rule)."""
    own = {**settings, "count": 1}
    if settings.get("variation"):
        return own | {"variation_seed": (settings.get("variation_seed") or 0) + k}
    return own | {"seed": settings["seed"] + k}
