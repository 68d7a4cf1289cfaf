"""The catalog in one SQLite file, for any number of processes and threads of one machine.

A new catalog is built under another name and linked into place whole, so that of several processes that open it at
once one makes it and all find it complete.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from tolva.catalog import Heard, Limits
from tolva.catalogs import migrate
from tolva.catalogs.sql import WRITES, SqlCatalog
from tolva.catalogs.transactions import Tx
from tolva.clock import Clock, system_clock
from tolva.errors import CatalogError

_LIMITS = Limits()
_BUSY_SECONDS = 60
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    f"busy_timeout = {_BUSY_SECONDS * 1000}",
    "temp_store = MEMORY",
    f"journal_size_limit = {64 * 2**20}",
)

_FULL = "the disk is full. Free space, then try again; finished work is kept."
_REFUSED = "this user may not write there. Correct the owner, rights or mount of its folder, then try again."
_ADVICE = {
    "locked": f"another process has held it for more than {_BUSY_SECONDS} s. Look for a stopped tolva process.",
    "disk is full": _FULL,
    "No space left": _FULL,
    "readonly": _REFUSED,
    "Read-only": _REFUSED,
    "Permission denied": _REFUSED,
    "unable to open": "it can't be opened. Correct the owner, rights or mount of its folder, then try again.",
    "File exists": "there is a file where its folder should be. Use another state folder.",
    "not a database": "it is no SQLite database. Use another state folder.",
    "malformed": "the file is damaged. Put a backup in its place, or use another state folder.",
}


class SqliteCatalog(SqlCatalog):
    """The catalog in the file ``path``, which is made, or brought to this version's schema, if need be."""

    def __init__(self, path: Path, *, limits: Limits = _LIMITS, clock: Clock = system_clock) -> None:
        self._path = path
        self._clock = clock
        # Threads of one process wait for each other here, and wake at once; between processes SQLite naps and retries.
        self._turn = Lock()
        self._heard: Heard | None = None
        super().__init__(_engine(path), insert, limits)
        try:
            _create_once(path)
            self._upgrade()
        except DBAPIError as error:
            raise self._explain(error) from error
        except OSError as error:
            raise self._error(str(error.strerror)) from error

    def _upgrade(self) -> None:
        with self._engine.connect() as connection, connection.begin():
            if migrate.is_current(connection, str(self._path)):
                return
        with self._writing.connect() as connection, _without_foreign_keys(connection), connection.begin():
            if not migrate.is_current(connection, str(self._path)):
                migrate.upgrade(connection)

    def _now(self, connection: Connection) -> float:  # noqa: ARG002 - other databases tell the time themselves
        return self._clock()

    @contextmanager
    def _write(self, name: str) -> Iterator[Tx]:
        with self._turn, super()._write(name) as tx:
            yield tx
        if tx.over and self._heard is not None:
            self._heard(tx.over)

    def listen(self, heard: Heard) -> None:
        """See ``Catalog.listen``. SQLite tells nobody what another process did."""
        self._heard = heard

    def _explain(self, error: DBAPIError) -> CatalogError:
        return self._error(str(error.orig))

    def _error(self, cause: str) -> CatalogError:
        advice = next((text for word, text in _ADVICE.items() if word in cause), f"{cause}. Check the disk.")
        return CatalogError(f"The catalog {self._path} failed: {advice}", path=str(self._path), cause=cause)


@contextmanager
def _without_foreign_keys(connection: Connection) -> Iterator[None]:
    """Let a table be rebuilt inside the block: what it is rebuilt from is dropped, which would drop its children."""
    session: Any = connection.connection
    session.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        session.execute("PRAGMA foreign_keys = ON")


def _create_once(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    building = path.with_name(f".{path.name}.{uuid4().hex}")
    try:
        _build(building)
        try:
            os.link(building, path)
        except FileExistsError:
            return
    finally:
        building.unlink(missing_ok=True)
    _sync(path.parent)


def _build(path: Path) -> None:
    # Nothing can be lost yet, so it is synced once, at the end.
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA synchronous = OFF")
        connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        migrate.create(connection)
        connection.commit()
    _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", max_overflow=-1)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        # Python's own BEGIN comes late and is never IMMEDIATE.
        connection.isolation_level = None
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads before it writes would fail at once if another wrote in between.
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
