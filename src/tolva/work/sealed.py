"""DuckDB, sealed: it reaches nothing but what it is handed, and its errors name the query.

Apart from the engine so that a question without tables needs neither Arrow nor NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from tolva.errors import EngineError, ExecutionError, OutOfMemoryError
from tolva.plan import Column, Stage
from tolva.planner.quoting import literal, quoted

_SETTINGS: dict[str, Any] = {
    "arrow_lossless_conversion": True,
    "preserve_insertion_order": True,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "allow_unredacted_secrets": False,
    "python_enable_replacements": False,
    "python_scan_all_frames": False,
}
_LAST_SETTINGS = ("TimeZone='UTC'", "enable_external_access=false", "lock_configuration=true")


@dataclass(frozen=True, slots=True)
class View:
    """Parquet files as one table: its columns, as far as files have them, with types that can be cast to its own."""

    name: str
    columns: Sequence[Column]
    paths: Sequence[str]

    def make(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the view. A column that no file has is NULL in it; without files it has no rows."""
        paths = ", ".join(literal(path) for path in self.paths)
        files = f"read_parquet([{paths}], union_by_name := true)"
        if not self.paths:
            connection.execute(self._definition("(SELECT 1) WHERE false", ()))
            return
        try:
            connection.execute(self._definition(files, [column.name for column in self.columns]))
        except duckdb.BinderException:
            there = [row[0] for row in connection.execute(f"DESCRIBE FROM {files}").fetchall()]
            connection.execute(self._definition(files, there))

    def _definition(self, rows: str, there: Collection[str]) -> str:
        known = {name.casefold() for name in there}
        given = {c.name: quoted(c.name) if c.name.casefold() in known else "NULL" for c in self.columns}
        listed = ", ".join(f"CAST({given[c.name]} AS {c.type}) AS {quoted(c.name)}" for c in self.columns)
        return f"CREATE VIEW {quoted(self.name)} AS SELECT {listed} FROM {rows}"


def unsealed(
    *, memory_bytes: int, threads: int, spill: Path, spill_bytes: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Open an instance that is to be sealed before it sees anybody's SQL.

    Args:
        memory_bytes: what DuckDB may use before it spills.
        threads: how many threads it may use.
        spill: a folder of its own, for what doesn't fit.
        spill_bytes: how much it may hold; None: nine tenths of the free disk.
    """
    settings = {**_SETTINGS, "threads": threads, "memory_limit": f"{memory_bytes}B", "temp_directory": str(spill)}
    if spill_bytes is not None:
        settings["max_temp_directory_size"] = f"{spill_bytes}B"
    connection = duckdb.connect(":memory:", config=settings)
    # It would go to the terminal of whoever started the worker. Connections made from this one have it so, too.
    connection.execute("SET enable_progress_bar = false")
    return connection


def seal(connection: duckdb.DuckDBPyConnection, views: Sequence[View] = ()) -> None:
    """Let the instance open no file but the ones it spills to, and no query change its settings.

    ``views`` are Parquet files that it can read besides, and the names under which a query sees them.
    """
    if views:
        listed = ", ".join(literal(path) for view in views for path in view.paths)
        connection.execute(f"SET GLOBAL allowed_paths=[{listed}]")
        for view in views:
            view.make(connection)
    for setting in _LAST_SETTINGS:
        connection.execute(f"SET GLOBAL {setting}")


def sealed(
    *, memory_bytes: int, threads: int, spill: Path, spill_bytes: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Open an instance that can open no file but the ones it spills to; see ``unsealed`` and ``seal``."""
    connection = unsealed(memory_bytes=memory_bytes, threads=threads, spill=spill, spill_bytes=spill_bytes)
    seal(connection)
    return connection


class Spare:
    """Instances for one use each.

    Args:
        make: opens an instance.
        ahead: whether another thread closes the one used and makes the next, while nobody waits: both take longer than
            many a query.
    """

    def __init__(self, make: Callable[[], duckdb.DuckDBPyConnection], *, ahead: bool) -> None:
        self._make = make
        self._ahead = ahead
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="spare")
        self._next: Future[duckdb.DuckDBPyConnection] | None = None

    @contextmanager
    def lent(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Lend an instance that nobody had before; whatever becomes of it, it is closed afterwards."""
        ready, self._next = self._next, None
        connection = ready.result() if ready else self._make()
        try:
            yield connection
        finally:
            if self._ahead:
                self._next = self._thread.submit(self._follow, connection)
            else:
                connection.close()

    def close(self) -> None:
        """Close what nobody will use."""
        self._thread.shutdown(wait=True)
        if self._next is not None and self._next.exception() is None:
            self._next.result().close()

    def _follow(self, used: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        used.close()
        return self._make()


@contextmanager
def blamed(stage: Stage, query: str) -> Iterator[None]:
    """Turn DuckDB's errors into errors that name the query and the stage."""
    where = f"Query {query!r} failed in stage {stage.name}"
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        advice = "Give it more memory, or ask for less at once."
        raise OutOfMemoryError(f"{where}: {_said(error)}. {advice}", query=query, stage=stage.name) from None
    except duckdb.IOException as error:
        # It can open no file but those it spills to.
        advice = "It needed more memory than it has, and more disk than it may spill to: ask for less at once."
        raise OutOfMemoryError(f"{where}: {_said(error)}. {advice}", query=query, stage=stage.name) from None
    except (duckdb.InternalException, duckdb.FatalException) as error:
        raise EngineError(f"{where}: {_said(error)}", query=query, stage=stage.name) from None
    except duckdb.Error as error:
        raise ExecutionError(f"{where}: {_said(error)}", query=query, stage=stage.name) from None


def _said(error: duckdb.Error) -> str:
    """Return DuckDB's words without advice on its settings and its pointer into SQL that the user didn't write."""
    return str(error).split("\n\n")[0]
