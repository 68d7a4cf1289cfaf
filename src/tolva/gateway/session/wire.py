"""One end of a WebSocket, with the rules of the protocol: limits, silence, and one sender at a time."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect, WebSocketState

from tolva.errors import TolvaError
from tolva.gateway.session.messages import MAX_MESSAGE_BYTES, Message, parse
from tolva.protocol import MAX_FRAME_BYTES, PING_SECONDS, SILENCE_SECONDS, Frame

POLICY = 1008
TOO_BIG = 1009
SILENT = 4408


class Ended(Exception):  # noqa: N818 - the way a connection ends, not a fault of this end
    """The connection is over; ``code`` and ``reason`` are what the peer is told, if it still listens."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Wire:
    """Sends and receives messages and frames."""

    def __init__(
        self, socket: WebSocket, *, silence_seconds: float = SILENCE_SECONDS, ping_seconds: float = PING_SECONDS
    ) -> None:
        self._socket = socket
        self._silence_seconds = silence_seconds
        self._ping_seconds = ping_seconds
        self._sending = asyncio.Lock()

    async def receive(self) -> Message | Frame:
        """Return the peer's next message or frame. Ended when it is gone, silent, or breaks the rules."""
        try:
            async with asyncio.timeout(self._silence_seconds):
                event = await self._socket.receive()
        except TimeoutError:
            raise Ended(SILENT, f"nothing was heard for {self._silence_seconds:g} s") from None
        if event["type"] == "websocket.disconnect":
            raise Ended(1000)
        text: str | None = event.get("text")
        if text is not None:
            if len(text) > MAX_MESSAGE_BYTES:
                raise Ended(TOO_BIG, f"a message has at most {MAX_MESSAGE_BYTES} bytes")
            return parse(text)
        raw: bytes = event["bytes"]
        if len(raw) > MAX_FRAME_BYTES:
            raise Ended(TOO_BIG, f"a binary frame has at most {MAX_FRAME_BYTES} bytes")
        try:
            return Frame.decode(raw)
        except ValueError as error:
            raise Ended(POLICY, str(error)) from None

    async def say(self, type_: str, **values: Any) -> None:
        """Send a message. Ended when the peer is gone."""
        await self._send(lambda: self._socket.send_json({"type": type_, **values}))

    async def complain(self, error: TolvaError, **values: Any) -> None:
        """Send what went wrong."""
        await self.say("error", code=error.code, message=error.message, data=error.data, **values)

    async def send(self, frame: Frame) -> None:
        """Send a frame. Ended when the peer is gone."""
        await self._send(lambda: self._socket.send_bytes(frame.encode()))

    async def keep_alive(self) -> None:
        """Say ``ping`` again and again, until the connection is over."""
        while True:
            await asyncio.sleep(self._ping_seconds)
            await self.say("ping")

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, if it is still open."""
        if self._socket.application_state is WebSocketState.CONNECTED:
            try:
                await self._socket.close(code, reason[:120])
            except RuntimeError:
                return  # the peer was quicker

    async def _send(self, send: Any) -> None:
        try:
            async with asyncio.timeout(self._silence_seconds), self._sending:
                await send()
        except TimeoutError:
            raise Ended(SILENT, "nothing was taken for too long") from None
        except (WebSocketDisconnect, RuntimeError):
            raise Ended(1000) from None
