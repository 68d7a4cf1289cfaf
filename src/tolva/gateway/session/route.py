"""The WebSocket's route: who may knock, and one connection a session."""

from __future__ import annotations

import asyncio
from typing import TypeVar
from urllib.parse import urlsplit

from fastapi import APIRouter, WebSocket

from tolva.errors import TolvaError
from tolva.gateway.session.connection import Connection
from tolva.gateway.session.wire import POLICY, Ended, Wire
from tolva.protocol import PATH, SUBPROTOCOL

router = APIRouter()

SUPERSEDED = 4409

E = TypeVar("E", bound=Exception)


class Sessions:
    """The connection that each session has now. A new one takes the place of the one its client has lost."""

    def __init__(self) -> None:
        self._live: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def run(self, client: str, session: str, serving: asyncio.Task[None]) -> None:
        """Wait for the end of ``serving``, the session's connection; raise what ended it."""
        place = (client, session)
        earlier = self._live.get(place)
        self._live[place] = serving
        if earlier is not None:
            earlier.cancel()
            await asyncio.wait([earlier])
        try:
            await asyncio.wait([serving])
        except asyncio.CancelledError:
            serving.cancel()
            raise
        finally:
            if self._live.get(place) is serving:
                del self._live[place]
        if serving.cancelled():
            raise Ended(SUPERSEDED, "another connection goes on with this session")
        serving.result()


@router.websocket(PATH)
async def session(socket: WebSocket) -> None:
    """Serve the session protocol. A page of another origin is turned away: browsers ask nobody before they connect."""
    if SUBPROTOCOL not in socket.scope["subprotocols"] or not _same_origin(socket):
        await socket.close(POLICY)
        return
    await socket.accept(SUBPROTOCOL)
    state = socket.app.state
    wire = Wire(socket)
    connection = Connection(state.service, state.doors, socket.headers.get("authorization"), wire)
    try:
        caller = await connection.begin()
        await state.sessions.run(caller.client, connection.session, asyncio.create_task(connection.serve(caller)))
    except* Ended as ended:
        how = _first(ended)
        await wire.close(how.code, how.reason)
    except* TolvaError as error:
        await wire.close(POLICY, _first(error).message)


def _same_origin(socket: WebSocket) -> bool:
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


def _first(group: BaseExceptionGroup[E]) -> E:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
