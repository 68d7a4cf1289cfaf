"""Servers whose every answer a test decides."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from typing import Any

from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from tolva.protocol import MAX_DATA_BYTES, SUBPROTOCOL, WINDOW_BYTES

CONNECTION = {"type": "connection", "max_data_bytes": MAX_DATA_BYTES, "window_bytes": WINDOW_BYTES}
"""The answer to ``begin_connection``."""


def of_sessions(talk: Callable[[ServerConnection], None], **options: Any) -> Server:
    """Return a server that has ``talk`` hold each session; ``options`` as websockets takes them."""
    return serve(talk, "127.0.0.1", 0, subprotocols=[Subprotocol(SUBPROTOCOL)], **options)


def answer(socket: ServerConnection, said: Mapping[str, Any], answers: Mapping[str, dict[str, Any]]) -> None:
    """Answer a request with what the script has for its type."""
    socket.send(json.dumps(answers[said["type"]] | {"request": said.get("request")}))


@contextmanager
def listening(server: ThreadingHTTPServer | Server) -> Iterator[str]:
    """Have the server listen inside the block, and yield its URL."""
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()
