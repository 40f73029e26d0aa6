"""Errors in the shape that each API's clients know."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException


class Refused(Exception):
    """What cannot be done as it was asked: a sentence, an HTTP status, and the field it is about.

    ``code`` and ``values`` say the same for programs: the page has the sentence of each code in Japanese.
    """

    def __init__(
        self, message: str, status: int = 422, *, param: str | None = None, code: str | None = None, **values: Any
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code, self.values = message, status, param, code, values


def shaped(path: str, status: int, message: str, **more: Any) -> dict[str, Any]:
    """The body of an error under a path: A1111's, OpenAI's or ours."""
    if path.startswith(("/sdapi/", "/controlnet/")):
        kind = "RequestValidationError" if status == 422 and more.get("errors") else "HTTPException"
        return {"error": kind, "detail": message, "body": "", "errors": more.get("errors") or ""}
    if path.startswith("/v1/"):
        kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
        kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
        return {"error": {"message": message, "type": kind, "param": more.get("param"), "code": more.get("code")}}
    kind = HTTPStatus(status).phrase.lower().replace(" ", "_")
    told = {"message": message, "type": kind, "status": status, "param": more.get("param")}
    return {"error": {**told, "code": more.get("code"), "values": more.get("values") or {}}}


def sentence(errors: Any) -> str:
    """What pydantic found wrong, in a line."""
    found = []
    for each in errors:
        where = ".".join(str(part) for part in each.get("loc", ()) if part not in ("body", "query", "path"))
        text = str(each.get("msg", "")).removeprefix("Value error, ")
        found.append(f"{where}: {text}" if where else text)
    return "; ".join(found[:5]) or "the request cannot be read"


def install(app: FastAPI) -> None:
    """Answer every exception of the routes in the shape of the path."""

    def refused(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, Refused)
        openai = request.url.path.startswith("/v1/")
        status = 400 if openai and error.status == 422 else error.status  # OpenAI says 400 where others say 422
        told = {"param": error.param, "code": error.code, "values": error.values}
        body = shaped(request.url.path, status, error.message, **told)
        return JSONResponse(body, status)

    def unread(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        status = 400 if request.url.path.startswith("/v1/") else 422
        plain = [{key: each[key] for key in ("loc", "msg", "type") if key in each} for each in error.errors()]
        text = sentence(error.errors())
        told = {"errors": plain, "code": "bad_value", "values": {"text": text}}
        return JSONResponse(shaped(request.url.path, status, text, **told), status)

    def other(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        return JSONResponse(shaped(request.url.path, error.status_code, str(error.detail)), error.status_code)

    def broken(request: Request, error: Exception) -> JSONResponse:
        body = shaped(
            request.url.path, 500, f"{type(error).__name__}: this is a fault of sukashi's; its log shows where"
        )
        return JSONResponse(body, 500)

    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, unread)
    app.add_exception_handler(HTTPException, other)
    app.add_exception_handler(Exception, broken)
