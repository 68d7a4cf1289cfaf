"""Answers packed with gzip for those who take it; files of results pack themselves (see ``results``)."""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_LEAST_BYTES = 1024
_LEVEL = 4


class Compressed:
    """An application whose JSON answers may be packed."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._packing = GZipMiddleware(app, minimum_size=_LEAST_BYTES, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as an ASGI application."""
        # A packed range, or other bytes under the same strong ETag, would be wrong.
        of_results = scope["type"] == "http" and "/results/" in scope["path"]
        await (self._plain if of_results else self._packing)(scope, receive, send)
