"""The application: three APIs and the page on one desk, behind one gate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles

import sukashi
from sukashi import __version__
from sukashi.serve import errors
from sukashi.serve.a1111 import controlnet as a1111_controlnet
from sukashi.serve.a1111 import drawing as a1111_drawing
from sukashi.serve.a1111 import lists as a1111_lists
from sukashi.serve.a1111 import options as a1111_options
from sukashi.serve.a1111 import tools as a1111_tools
from sukashi.serve.config import Config
from sukashi.serve.desk import Desk, desk_of
from sukashi.serve.models import Models
from sukashi.serve.openai import edits as openai_edits
from sukashi.serve.openai import images as openai_images
from sukashi.serve.own import about, jobs, see_route, tools
from sukashi.serve.safety import Gate

WEB = Path(sukashi.__file__).parent / "web"
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; connect-src 'self' data: blob:"
)
ROUTERS = (
    jobs.router,
    see_route.router,
    about.router,
    tools.router,
    a1111_drawing.router,
    a1111_options.router,
    a1111_lists.router,
    a1111_tools.router,
    a1111_controlnet.router,
    openai_images.router,
    openai_edits.router,
)


def make_app(config: Config, models: Models) -> FastAPI:
    """The application of one server; its worker begins and ends with it."""
    desk = Desk(config, models)

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        desk.open()
        yield
        desk.close()

    app = FastAPI(title="Sukashi", version=__version__, lifespan=life, docs_url=None, redoc_url=None)
    app.state.desk = desk
    errors.install(app)
    for router in ROUTERS:
        app.include_router(router)
    add_health(app)
    add_page(app)
    if config.origins:
        app.add_middleware(CORSMiddleware, allow_origins=config.origins, allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(Gate, config=config, metrics=desk.metrics)
    return app


def add_health(app: FastAPI) -> None:
    """/healthz, /readyz and /metrics."""

    @app.get("/healthz", tags=["health"])
    def alive() -> dict[str, str]:
        """The server answers."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["health"])
    def ready(request: Request) -> JSONResponse:
        """Whether it can draw: 503 while the model is loaded, or where that failed."""
        worker = desk_of(request).worker
        if worker.ready.is_set() and worker.thread.is_alive():
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": worker.broken or "the model is being loaded"}, 503)

    @app.get("/metrics", tags=["health"], response_class=Response)
    def metrics(request: Request) -> Response:
        """Numbers for Prometheus."""
        return Response(desk_of(request).metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def add_page(app: FastAPI, folder: Path = WEB) -> None:
    """/ and /web/: the page, from the package."""
    headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
    if not (folder / "index.html").is_file():
        return

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(folder / "index.html", headers=headers)

    class Fresh(StaticFiles):
        """Files that a browser asks for again each time; unchanged ones are not sent twice."""

        def file_response(self, *args: Any, **options: Any) -> Response:
            response = super().file_response(*args, **options)
            response.headers.update({"Cache-Control": "no-cache"})
            return response

    app.mount("/web", Fresh(directory=folder), name="web")
