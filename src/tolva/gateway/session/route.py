"""The WebSocket's route: who may knock, and one connection a session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

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
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def run(self, client: str, session: str, serve: Callable[[], Awaitable[None]]) -> None:
        """Serve the session's connection to its end, and raise what ended it.

        It begins when those whose place it takes are over, and have saved their files.
        """
        place = (client, session)
        earlier = self._live.get(place)
        serving = asyncio.create_task(_in_turn(self._turns.setdefault(place, asyncio.Lock()), serve))
        self._live[place] = serving
        if earlier is not None:
            earlier.cancel()
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
        await state.sessions.run(caller.client, connection.session, lambda: connection.serve(caller))
    except* Ended as ended:
        how = _first(ended)
        await wire.close(how.code, how.reason)
    except* TolvaError as error:
        await wire.close(POLICY, _first(error).message)


async def _in_turn(turn: asyncio.Lock, serve: Callable[[], Awaitable[None]]) -> None:
    async with turn:
        await serve()


def _same_origin(socket: WebSocket) -> bool:
    origin = socket.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == socket.headers.get("host")


def _first(group: BaseExceptionGroup[E]) -> E:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
