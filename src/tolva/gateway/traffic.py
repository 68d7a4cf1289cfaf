"""What one caller may ask of the server, how often, and how slowly. Everything else is a route's concern."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tolva.errors import LimitError
from tolva.gateway.problems import answer, of_error
from tolva.protocol import LOOPBACK_HOSTS

_REMEMBERED_CALLERS = 10_000


@dataclass(frozen=True, slots=True)
class Traffic:
    """The limits of one caller.

    ``requests_per_second`` on average, ``burst_requests`` at once. A body must bring something in any
    ``patience_seconds``, and ``body_bytes_per_second`` on average once it was waited for so long.
    """

    requests_per_second: float = 200.0
    burst_requests: float = 1000.0
    body_bytes_per_second: float = 64.0
    patience_seconds: float = 30.0


class Limited:
    """An application whose callers keep to the limits of ``traffic``.

    With ``loopback_only`` requests must name a loopback host, so that no web page of another name can use the browser
    of somebody here to reach a server that asks for no key.
    """

    def __init__(self, app: ASGIApp, traffic: Traffic, *, loopback_only: bool) -> None:
        self._app = app
        self._traffic = traffic
        self._loopback_only = loopback_only
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, as an ASGI application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = None
        if self._loopback_only and not _is_local(headers):
            refusal = answer(403, "forbidden", "Without keys this server answers localhost alone, and no web page.")
        elif not self._has_token(_caller(scope, headers)):
            refusal = of_error(LimitError("Too many requests in a short time. Wait, then go on more slowly."))
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._app(scope, _Paced(receive, self._traffic), send)

    def _has_token(self, caller: str) -> bool:
        """Take a token from the caller's bucket, which fills again with time."""
        now = time.monotonic()
        tokens, at = self._buckets.pop(caller, (self._traffic.burst_requests, now))
        tokens = min(self._traffic.burst_requests, tokens + (now - at) * self._traffic.requests_per_second)
        self._buckets[caller] = (max(tokens - 1, 0.0), now)
        if len(self._buckets) > _REMEMBERED_CALLERS:
            self._buckets.popitem(last=False)
        return tokens >= 1


class _Paced:
    """Receives a request's body; a client that dribbles is as good as gone."""

    def __init__(self, receive: Receive, traffic: Traffic) -> None:
        self._receive = receive
        self._traffic = traffic
        self._waited_seconds = 0.0
        self._bytes = 0
        self._whole = False

    async def __call__(self) -> Message:
        if self._whole:  # what is awaited now is the client's going away, which may take as long as the answer
            return await self._receive()
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._traffic.patience_seconds):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        # The time of our own work between two blocks is not the client's fault.
        self._waited_seconds += time.monotonic() - began
        self._bytes += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        return {"type": "http.disconnect"} if self._dribbles() else message

    def _dribbles(self) -> bool:
        patience_is_over = self._waited_seconds > self._traffic.patience_seconds
        too_slow = self._bytes < self._waited_seconds * self._traffic.body_bytes_per_second
        return not self._whole and patience_is_over and too_slow


def _caller(scope: Scope, headers: Mapping[str, str]) -> str:
    """Return who counts as one caller: whoever shows a key, else an address."""
    address = scope.get("client") or ("",)
    return headers.get("authorization") or str(address[0])


def _is_local(headers: Mapping[str, str]) -> bool:
    hosts = [headers.get("host", "localhost")]
    if (origin := headers.get("origin")) is not None:
        hosts.append(origin.partition("://")[2])
    return all(urlsplit(f"//{host}").hostname in LOOPBACK_HOSTS for host in hosts)
