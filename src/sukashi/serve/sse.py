"""Server-sent events (WHATWG HTML, section 9.2): events to bytes, with a sign of life while nothing happens."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse

PAUSE = 15.0  # seconds of silence before a comment is sent, so that a vanished client is noticed


def line(name: str, data: Any) -> bytes:
    """One event."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


async def alive(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The events, and comments between those that are far apart."""
    following: asyncio.Future[bytes] | None = None
    try:
        while True:
            following = asyncio.ensure_future(anext(events))
            while not (await asyncio.wait({following}, timeout=PAUSE))[0]:
                yield b": still here\n\n"
            try:
                yield following.result()
            except StopAsyncIteration:
                return
    finally:
        if following is not None and not following.done():
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
                await following
        if hasattr(events, "aclose"):
            await events.aclose()


def stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    """A response that goes on until the events end or nobody reads any more."""
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(alive(events), media_type="text/event-stream", headers=headers)
