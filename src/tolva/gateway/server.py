"""Run the application: listen, log, stop in bounded time."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn
from anyio import to_thread
from fastapi import FastAPI

from tolva.gateway.connections import bounded
from tolva.gateway.session.messages import MAX_MESSAGE_BYTES
from tolva.machine import machine

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_SWITCH_SECONDS = 0.0005
"""After so long a busy thread lets others run: the event loop waits for each of twenty that take uploads in turn."""

_CALLS_EACH = 4
"""Threads for each processor in which calls look things up: the event loop waits while one starts, and each that runs
makes it wait for its turn, so a crowd that comes at once is answered sooner by few of them."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one. A stop ends what is still being answered after ``stop_seconds``.

    More connections than ``max_connections``, or ``max_client_connections`` from one address, are closed at once.
    """

    host: str
    port: int
    max_connections: int = 1000
    max_client_connections: int = 500
    stop_seconds: int = 5


def run(app: FastAPI, address: Address, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``on_listening`` gets the URL once connections are taken."""
    config = uvicorn.Config(
        app,
        host=address.host,
        port=address.port,
        http=bounded(address.max_connections, address.max_client_connections),
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE_BYTES,
        # The protocol has pings of its own.
        ws_ping_interval=None,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=address.stop_seconds,
    )
    sys.setswitchinterval(_SWITCH_SECONDS)
    _Server(config, app, on_listening).run()


class _Server(uvicorn.Server):
    """A server that says where it listens, and that is stopped by signals without passing them on."""

    def __init__(self, config: uvicorn.Config, app: FastAPI, on_listening: Callable[[str], None]) -> None:
        super().__init__(config)
        self._app = app
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        to_thread.current_default_thread_limiter().total_tokens = _CALLS_EACH * machine().processors
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_listening(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._stop) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._app.state.draining = True
        self.handle_exit(number, frame)
