"""Bytes as a file for a moment, for readers that take a path."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def as_file(data: bytes) -> Iterator[Path]:
    """A file that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="sukashi-") as folder:
        path = Path(folder) / "picture"
        path.write_bytes(data)
        yield path
