"""Connections: so many at most, and none that takes for ever to say what it wants."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 whose request heads must be complete within ``HEADER_SECONDS`` of their first byte (or the connection).

    uvicorn itself waits for ever for a head that dribbles in.
    """

    max_connections = 1000
    max_client_connections = 500
    """From one address."""

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.max_connections or self._of_client() > self.max_client_connections:
            transport.abort()
            return
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; what isn't part of a request that is being answered is a head, or begins one."""
        if self._idle and self._head_timer is None:
            self._expect_head()
        super().data_received(data)
        if not self._idle:
            self._head_came()

    def handle_websocket_upgrade(self, event: Any) -> None:
        """Hand the connection over."""
        self._head_came()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_came()
        super().connection_lost(exc)

    def _of_client(self) -> int:
        """Count the connections that come from where this one does."""
        address = self.client and self.client[0]
        return [(getattr(each, "client", None) or ("",))[0] for each in self.connections].count(address or "")

    @property
    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._idle:
            self.transport.close()


def bounded(max_connections: int, max_client_connections: int) -> type[BoundedProtocol]:
    """Return the protocol with so many connections at most, and so many from one address."""

    class Bounded(BoundedProtocol):
        pass

    Bounded.max_connections = max_connections
    Bounded.max_client_connections = max_client_connections
    return Bounded
