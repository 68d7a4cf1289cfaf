"""Errors as RFC 9457 problem details: a stable type and code, what happened, and what to do.

docs/errors.md lists every type. What went wrong inside is logged, never told.
"""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tolva.errors import LimitError, NotAllowedError, TolvaError

MEDIA_TYPE = "application/problem+json"
_TYPE = "urn:tolva:problem:"
_SERVER_ERRORS = 500
_RETRY_AFTER_SECONDS = "5"

_PHRASES = {each.value: each.phrase for each in http.HTTPStatus}

_log = logging.getLogger(__name__)


class Problem(BaseModel):
    """What went wrong (RFC 9457). ``code`` is stable, and the end of ``type``."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    data: dict[str, Any] = {}


_UNTOLD = {
    404: "There is no such call here. /openapi.json lists those that there are.",
    405: "This call has other methods; the header Allow names them.",
}
"""What to say where the framework says no more than the status."""


class ProblemResponse(JSONResponse):
    """A problem as an answer."""

    media_type = MEDIA_TYPE


def answer(
    status: int, code: str, detail: str, data: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
) -> ProblemResponse:
    """Return the answer for a problem."""
    title = _PHRASES.get(status, "Bad Request")
    problem = Problem(
        type=f"{_TYPE}{code}", title=title, status=status, detail=detail, code=code, data=dict(data or {})
    )
    return ProblemResponse(problem.model_dump(), status_code=status, headers=dict(headers or {}))


def of_error(error: TolvaError) -> ProblemResponse:
    """Return the answer for an error of tolva's own."""
    headers: dict[str, str] = {}
    if isinstance(error, NotAllowedError) and error.http_status == http.HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if (isinstance(error, LimitError) and error.retryable) or error.http_status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = _RETRY_AFTER_SECONDS
    if error.http_status >= _SERVER_ERRORS:
        _log.error("A request failed: %s", error.message)
        detail = "The server could not do it now. Try again later; its log says more."
        return answer(error.http_status, error.code, detail, headers=headers)
    return answer(error.http_status, error.code, error.message, error.data, headers)


def install(app: FastAPI) -> None:
    """Let every error of the app become a problem."""

    @app.exception_handler(TolvaError)
    async def known(_request: Request, error: TolvaError) -> ProblemResponse:
        return of_error(error)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> ProblemResponse:
        code = _PHRASES[error.status_code].lower().replace(" ", "_").replace("'", "")
        detail = _UNTOLD.get(error.status_code, "") if error.detail == _PHRASES[error.status_code] else ""
        return answer(error.status_code, code, detail or str(error.detail), headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def malformed(_request: Request, error: RequestValidationError) -> ProblemResponse:
        errors = [{"where": ".".join(map(str, each["loc"])), "detail": each["msg"]} for each in error.errors()]
        told = "; ".join(f"{each['where']}: {each['detail']}" for each in errors)
        return answer(422, "request", f"The request has wrong values: {told}", {"errors": errors})

    @app.exception_handler(ClientDisconnect)
    async def left(_request: Request, _error: ClientDisconnect) -> Response:
        return Response(status_code=400)  # to nobody

    @app.exception_handler(Exception)
    async def unforeseen(_request: Request, error: Exception) -> ProblemResponse:
        _log.error("A request failed unforeseen.", exc_info=error)
        return answer(500, "internal", "The server failed in itself. Its log says more.")


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Problem, "description": "What was wrong with the request.", "content": {MEDIA_TYPE: {}}},
    "5XX": {"model": Problem, "description": "What went wrong in the server.", "content": {MEDIA_TYPE: {}}},
}
"""What every route may answer besides."""
