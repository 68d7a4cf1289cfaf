"""The catalog in PostgreSQL, for any number of processes on any number of machines.

The database may go away and come back at any time. A transaction that breaks before its COMMIT has not happened and is
simply run again; one that breaks during it is looked up by its number, and counts as what the server says it was. So a
method ends as if nothing had been, as long as the database is back before patience ends.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from tolva import crash
from tolva.catalog import Heard, Limits
from tolva.catalogs import migrate
from tolva.catalogs.listener import ANNOUNCE, Listener
from tolva.catalogs.sql import SqlCatalog
from tolva.catalogs.transactions import Tx
from tolva.clock import Clock
from tolva.errors import CatalogAwayError, CatalogError, UsageError

_LIMITS = Limits()
_PATIENCE_SECONDS = 30.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0

_MIGRATING = 0x746F6C7661
"""The advisory lock ("tolva") that one process at a time migrates under."""

_CONNECTING: dict[str, Any] = {
    # A peer that vanished without a word is noticed within half a minute, idle or not.
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# A process that is stopped inside a transaction must not keep everybody else from its rows.
_SESSION = "SET idle_in_transaction_session_timeout = '15s'"

_NOW = text("SELECT extract(epoch FROM clock_timestamp())::double precision")
_NOW_AND_NUMBER = text("SELECT extract(epoch FROM clock_timestamp())::double precision, pg_current_xact_id()::text")
_OUTCOME = text("SELECT pg_xact_status(CAST(CAST(:number AS text) AS xid8))")

_AGAIN = ("40001", "40P01")
"""Serialization failure and deadlock: the transaction was rolled back and may go well when it is run again."""
_AWAY = ("08", "57P", "53300", "25P03")
"""Connection lost or refused, server shutting down or starting, too many connections, session ended while idle."""

Method = TypeVar("Method", bound=Callable[..., Any])


def _patient(method: Method) -> Method:
    """Run the method again while the database is away, until patience ends. Every method may be called again."""

    @wraps(method)
    def call(self: PostgresqlCatalog, *args: Any, **kwargs: Any) -> Any:
        deadline = time.monotonic() + self.patience_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return method(self, *args, **kwargs)
            except CatalogAwayError:
                if time.monotonic() + pause_seconds > deadline:
                    raise
            # Scattered, so that a fleet doesn't come back all at once.
            time.sleep(pause_seconds * random.uniform(0.5, 1.0))  # noqa: S311 - nobody gains by guessing it
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    return call  # type: ignore[return-value]  # wraps keeps the signature


def _all_patient(cls: type[PostgresqlCatalog]) -> type[PostgresqlCatalog]:
    for name in dir(SqlCatalog):
        method = getattr(SqlCatalog, name)
        if callable(method) and not name.startswith("_") and name not in vars(cls):
            setattr(cls, name, _patient(method))
    return cls


@_all_patient
class PostgresqlCatalog(SqlCatalog):
    """The catalog in the database at ``url``, whose schema is made, or brought to this version's, if need be.

    Args:
        url: ``postgresql://user:password@host:port/database``, as libpq takes it.
        limits: the numbers it acts on.
        clock: what tells the time in tests; else the database's own clock, the same for the whole fleet.
        patience_seconds: how long a method waits for a database that is away before it raises CatalogAwayError.
    """

    def __init__(
        self,
        url: str,
        *,
        limits: Limits = _LIMITS,
        clock: Clock | None = None,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self.patience_seconds = patience_seconds
        self._clock = clock
        engine = _engine(url)
        self._place = engine.url.render_as_string(hide_password=True)
        self._listener: Listener | None = None
        super().__init__(engine, insert, limits)
        # Each statement sees what is committed when it begins, within a transaction as without: BEGIN and COMMIT would
        # only be two more trips to the server.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        try:
            self._upgrade()
        except BaseException:
            self.close()
            raise

    @_patient
    def _upgrade(self) -> None:
        with self._explained(), self._engine.connect() as connection, connection.begin():
            if migrate.is_current(connection, self._place):
                return
        with self._explained(), self._writing.connect() as connection, connection.begin():
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
            if not migrate.is_current(connection, self._place):
                migrate.upgrade(connection)

    def _now(self, connection: Connection) -> float:
        return self._clock() if self._clock else float(connection.execute(_NOW).scalar_one())

    @contextmanager
    def _write(self, name: str) -> Iterator[Tx]:
        with self._explained(), self._writing.connect() as connection:
            transaction = connection.begin()
            try:
                now, number = connection.execute(_NOW_AND_NUMBER).one()
                tx = Tx(connection, lambda _: self._clock() if self._clock else now, self._limits, self._inserts)
                yield tx
                if tx.over:
                    connection.execute(ANNOUNCE, {"ids": sorted(tx.over)})
                crash.point(f"catalog.{name}.before")
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError as error:
                if not self._committed(number, error):
                    raise
            crash.point(f"catalog.{name}.after")

    def listen(self, heard: Heard) -> None:
        """See ``Catalog.listen``. All who write announce it with their COMMIT; this opens a connection of its own."""
        _, place = self._engine.dialect.create_connect_args(self._engine.url)
        self._listener = Listener({**place, **_CONNECTING}, heard)

    def close(self) -> None:
        """Let go of connections."""
        if self._listener is not None:
            self._listener.close()
        super().close()

    def _committed(self, number: str, error: DBAPIError) -> bool:
        """Tell whether the transaction whose COMMIT was not answered has happened."""
        if not error.connection_invalidated:
            return False
        return self._outcome(number) == "committed"

    @_patient
    def _outcome(self, number: str) -> str:
        with self._explained(), self._engine.connect() as connection:
            outcome = connection.execute(_OUTCOME, {"number": number}).scalar_one()
        if outcome == "in progress":
            raise CatalogAwayError(f"The database {self._place} has not yet said how transaction {number} ended.")
        return str(outcome)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._explain(error) from error

    def _explain(self, error: DBAPIError) -> CatalogError:
        cause = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
        state = getattr(error.orig, "sqlstate", None) or ""
        # libpq gives no state to what happens before or instead of an answer.
        away = state.startswith(_AWAY) or error.connection_invalidated or (not state and _is_operational(error))
        if away or state in _AGAIN:
            return CatalogAwayError(
                f"The catalog database {self._place} can't be used now: {cause}. Work goes on once it is back; "
                "if it stays so, see that PostgreSQL runs and can be reached from here (tolva doctor).",
                cause=cause,
                sqlstate=state,
            )
        return CatalogError(
            f"The catalog database {self._place} failed: {cause}. See PostgreSQL's log.", cause=cause, sqlstate=state
        )


def _is_operational(error: DBAPIError) -> bool:
    return type(error).__name__ in ("OperationalError", "InterfaceError")


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except (ValueError, ArgumentError) as error:
        raise UsageError(f"TOLVA_DATABASE is no database URL: {error}. Example: postgresql://user@host/tolva") from None
    if parsed.get_backend_name() != "postgresql":
        raise UsageError(f"TOLVA_DATABASE must be a postgresql:// URL, not {parsed.get_backend_name()}://.")
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"), connect_args=_CONNECTING, pool_size=4, max_overflow=-1
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: ConnectionPoolEntry) -> None:
        connection.execute(_SESSION)
        connection.commit()

    return engine
