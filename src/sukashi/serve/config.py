"""What the owner of a server decides."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

MIB, GIB = 2**20, 2**30


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a client may ask for. Every refusal names the number."""

    pixels: int = 2048 * 2048  # of one picture
    steps: int = 150
    count: int = 16  # pictures of one job
    queue: int = 256  # pictures that wait
    waiting: int = 128  # pictures that one client may have waiting
    body: int = 64 * MIB  # bytes of one request
    prompt: int = 20_000  # characters
    seconds: float = 600.0  # for drawing one picture


@dataclass(frozen=True, kw_only=True)
class Keep:
    """What stays of jobs that are over: the newest ``jobs``, and of those what fits into ``bytes``; None is all."""

    jobs: int | None = None
    bytes: int | None = None

    def __bool__(self) -> bool:
        """Whether anything is ever deleted."""
        return self.jobs is not None or self.bytes is not None


@dataclass(frozen=True, kw_only=True)
class Config:
    """How to serve. ``auth`` are names and passwords (HTTP Basic), ``keys`` bearer tokens; either lets one in."""

    host: str = "127.0.0.1"
    port: int = 7860
    data: Path = field(default_factory=lambda: default_data())
    model: str = "kirie"
    device: str | None = None
    dtype: str | None = None
    batch: int = 1  # rows of the batch rule
    cache: int = 16 * GIB  # bytes of models kept
    limits: Limits = field(default_factory=Limits)
    keep: Keep = field(default_factory=Keep)
    auth: tuple[tuple[str, str], ...] = ()
    keys: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()  # names this server may be called by, besides its own
    origins: tuple[str, ...] = ()  # other sites whose pages may call it
    log_prompts: bool = False

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in ("127.0.0.1", "localhost", "::1")


def default_data() -> Path:
    """Where jobs and pictures are kept when nobody says: in the user's data folder."""
    home = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(home).expanduser() / "sukashi" / "serve"
