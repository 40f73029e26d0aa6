"""Who may come in, and with how much: names, sites, passwords and sizes, before any route is reached."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import time
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sukashi.serve.config import Config
from sukashi.serve.errors import shaped
from sukashi.serve.logs import log
from sukashi.serve.metrics import Metrics

OPEN = ("/healthz", "/readyz")
PATIENCE = 60.0  # seconds for a request's body to arrive
LOOPBACK = ("localhost", "127.0.0.1", "::1", "[::1]", "testserver")


class Stop(Exception):
    """A request that is answered here: a status and a sentence."""

    def __init__(self, status: int, message: str, code: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers


class Gate:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, config: Config, metrics: Metrics) -> None:
        self.app, self.config, self.metrics = app, config, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                seconds = time.perf_counter() - start
                more = [(b"x-process-time", f"{seconds:.4f}".encode()), (b"x-content-type-options", b"nosniff")]
                message["headers"] = [*message.get("headers", []), *more]
                self.count(scope, status, seconds)
            await send(message)

        try:
            scope.setdefault("state", {})["client"] = self.admit(scope, headers)
            body = await self.body(headers, receive)
        except Stop as stop:
            content = json.dumps(shaped(scope["path"], stop.status, stop.message, code=stop.code)).encode()
            extra = [(name.replace("_", "-").encode(), value.encode()) for name, value in stop.headers.items()]
            fixed = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
            await counted({"type": "http.response.start", "status": stop.status, "headers": [*fixed, *extra]})
            await counted({"type": "http.response.body", "body": content})
            return
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return unread.pop() if unread else await receive()

        await self.app(scope, again, counted)

    def admit(self, scope: Scope, headers: dict[str, str]) -> str:
        """Who calls. Raises Stop for a foreign name of this server, a foreign page, and missing credentials."""
        config, host = self.config, headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or ""
        if config.local and name not in (*LOOPBACK, *config.hosts):
            raise Stop(403, f"this server is not called {name!r} (--allow-host {name} lets it be)")
        origin = headers.get("origin")
        if origin and urlsplit(origin).netloc != host and origin not in config.origins:
            raise Stop(403, f"pages of {origin} may not call this server (--allow-origin {origin} lets them)")
        if scope["method"] == "OPTIONS" and origin in config.origins:
            return ""  # a browser asks first, without credentials
        address = (scope.get("client") or ("unknown", 0))[0]
        user = self.user(headers.get("authorization", ""))
        if user is None and scope["path"] not in OPEN:
            told = "a name and password, or a key, are needed"
            raise Stop(401, told, "no_credentials", www_authenticate='Basic realm="sukashi"')
        asked = headers.get("x-client", "")[:64]
        return "/".join(part for part in (user or address, asked) if part)

    def user(self, authorization: str) -> str | None:
        """The name behind credentials, "" where none are needed; None where they are missing or wrong."""
        if not (self.config.auth or self.config.keys):
            return ""
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "bearer":
            for k, key in enumerate(self.config.keys):
                if hmac.compare_digest(value.strip().encode(), key.encode()):
                    return f"key{k}"
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                return None
            for name, password in self.config.auth:
                if hmac.compare_digest(given, f"{name}:{password}".encode()):
                    return name
        return None

    async def body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """The whole body of a request. Raises Stop for one that is too large or comes too slowly."""
        most = self.config.limits.body
        too_large = Stop(413, f"the request is larger than {most:,} bytes", "request_too_large")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            raise too_large
        try:
            return await asyncio.wait_for(whole(receive, most, too_large), PATIENCE)
        except asyncio.TimeoutError:
            raise Stop(408, f"the request did not arrive within {PATIENCE:g} seconds") from None

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Into the metrics and the log; the path without its query, by its route."""
        route: Any = scope.get("route")
        name = getattr(route, "path", None) or ("/web" if scope["path"].startswith("/web/") else "other")
        self.metrics.requests.labels(scope["method"], name, str(status)).inc()
        self.metrics.latency.labels(name).observe(seconds)
        log("request", method=scope["method"], route=name, status=status, seconds=round(seconds, 4))


async def whole(receive: Receive, most: int, too_large: Stop) -> bytes:
    """A body of at most so many bytes."""
    parts, size = list[bytes](), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Stop(400, "the client hung up")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most:
            raise too_large
        if not message.get("more_body"):
            return b"".join(parts)
