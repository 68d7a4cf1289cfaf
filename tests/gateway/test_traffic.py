"""Slow, dribbling and greedy clients."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import Any

import pytest
from server_kit import PATIENCE_SECONDS, Server
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from tolva.gateway.traffic import Limited, Traffic


def test_stalled_connections_are_hung_up_and_hold_nobody_up(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        stalled = []
        for n in range(50):
            connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS))
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc"[:n])
            stalled.append(connection)
        with server.client() as api:
            assert api.get("/healthz").status_code == 200
        # Each is closed by the server; a connection that stays open would time out here.
        assert {connection.recv(1) for connection in stalled} == {b""}


class _Sender:
    """A client's side of a request: its body block by block, each after a pause."""

    def __init__(self, pause_seconds: float, blocks: int) -> None:
        self._pause_seconds = pause_seconds
        self._left = blocks
        self.status = 0

    async def receive(self) -> Message:
        await asyncio.sleep(self._pause_seconds)
        self._left -= 1
        return {"type": "http.request", "body": b"x", "more_body": self._left > 0}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]


async def _length(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(str(len(body)))(scope, receive, send)


def _ask(limited: Limited, sender: _Sender, **headers: str) -> int:
    raw = [(name.encode(), value.encode()) for name, value in {"host": "localhost", **headers}.items()]
    scope: dict[str, Any] = {"type": "http", "method": "PUT", "path": "/", "headers": raw, "client": ("::1", 1)}
    asyncio.run(limited(scope, sender.receive, sender.send))
    return sender.status


def test_a_body_that_stops_is_given_up() -> None:
    limited = Limited(_length, Traffic(patience_seconds=0.05), loopback_only=False)
    with pytest.raises(ClientDisconnect):
        _ask(limited, _Sender(60.0, 1))


def test_a_body_that_dribbles_is_given_up() -> None:
    limited = Limited(_length, Traffic(patience_seconds=0.2, body_bytes_per_second=1e6), loopback_only=False)
    with pytest.raises(ClientDisconnect):
        _ask(limited, _Sender(0.05, 1000))


def test_a_body_that_comes_is_taken() -> None:
    assert _ask(Limited(_length, Traffic(), loopback_only=False), _Sender(0.0, 100)) == 200


def test_who_asks_too_often_waits_alone() -> None:
    limited = Limited(_length, Traffic(requests_per_second=0.001, burst_requests=3), loopback_only=False)
    assert [_ask(limited, _Sender(0.0, 1), authorization="a") for _ in range(5)] == [200, 200, 200, 429, 429]
    assert _ask(limited, _Sender(0.0, 1), authorization="b") == 200
