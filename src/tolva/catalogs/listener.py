"""Hear from PostgreSQL which jobs are over, whichever process ended them.

A transaction that ends jobs announces them with its COMMIT (NOTIFY), and the server tells all who listen. What is
announced while the connection is lost isn't told later; whoever waits for a job looks at it now and then anyway.
"""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Mapping
from typing import Any

import psycopg
from sqlalchemy import text

from tolva.catalog import Heard

_CHANNEL = "tolva_over"
_LISTEN = f"LISTEN {_CHANNEL}"
_PAUSE_SECONDS = 1.0
_CLOSE_SECONDS = 1.0
"""Nobody is kept waiting for a connection that is just being opened."""

ANNOUNCE = text(f"SELECT pg_notify('{_CHANNEL}', over.id) FROM unnest(CAST(:ids AS text[])) AS over (id)")
"""Told when the transaction is committed, and not otherwise."""

_log = logging.getLogger(__name__)


class Listener:
    """Listens in a thread, over a connection that is opened again whenever it was lost, until closed.

    Args:
        options: where the database is and how it is connected to, as psycopg takes them.
        heard: see ``Catalog.listen``.
    """

    def __init__(self, options: Mapping[str, Any], heard: Heard) -> None:
        self._options = options
        self._heard = heard
        self._closing = threading.Event()
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hear nothing more."""
        self._closing.set()
        self._wake.close()
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        with self._woken:
            while not self._closing.is_set():
                try:
                    with psycopg.connect(autocommit=True, **self._options) as connection:
                        connection.execute(_LISTEN)
                        self._listen(connection)
                except psycopg.Error as error:
                    _log.warning("News of jobs isn't heard for a while: %s", str(error).strip())
                    self._closing.wait(_PAUSE_SECONDS)

    def _listen(self, connection: psycopg.Connection[Any]) -> None:
        with selectors.DefaultSelector() as selector:
            for source in (connection, self._woken):
                selector.register(source, selectors.EVENT_READ)
            while not self._closing.is_set():
                over = {notify.payload for notify in connection.notifies(timeout=0)}
                if over:
                    self._heard(over)
                selector.select()
