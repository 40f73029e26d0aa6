"""Structured logs: one JSON object a line on stderr, without what people wrote unless the owner asks for it."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import Any

_lock = threading.Lock()


def log(event: str, **facts: Any) -> None:
    """Write one line."""
    line = json.dumps({"time": round(time.time(), 3), "event": event, **facts}, ensure_ascii=False, default=str)
    with _lock:
        print(line, file=sys.stderr, flush=True)
