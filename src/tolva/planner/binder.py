"""DuckDB as the binder: an empty database with the job's tables, asked what SQL means and never for rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb

from tolva.plan import Column
from tolva.planner.quoting import quoted

if TYPE_CHECKING:
    import pyarrow as pa

Json: TypeAlias = dict[str, Any]

SAMPLE = "__sample"
"""What ``Binder.measure`` calls the rows it measures."""

_REFUSED = frozenset({"parser", "binder", "catalog", "syntax"})
_SETTINGS = (
    "threads=1",
    "memory_limit='512MB'",
    "TimeZone='UTC'",
    "autoinstall_known_extensions=false",
    "autoload_known_extensions=false",
    "python_enable_replacements=false",
    "enable_external_access=false",
    "lock_configuration=true",
)


class Refusal(Exception):  # noqa: N818 - what DuckDB refused, before it is an error somebody sees
    """DuckDB's complaint about a query: its words, and the place they are about, in bytes.

    ``missing`` is the name of what isn't there, ``kind`` what it should be (column, table, scalar function...), and
    ``candidates`` are names that DuckDB suggests instead.
    """

    def __init__(
        self,
        message: str,
        *,
        offset: int | None = None,
        length: int = 1,
        missing: str | None = None,
        kind: str = "",
        candidates: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.length = length
        self.missing = missing
        self.kind = kind
        self.candidates = candidates


Created: TypeAlias = dict[str, str]
"""The statement that made each relation, by its name in lower case."""

_idle: list[tuple[duckdb.DuckDBPyConnection, Created]] = []
"""Databases that wait for the next binder, with their relations: to make them takes longer than most plans."""


class Binder:
    """Knows names and types, and DuckDB's own words when something doesn't fit.

    Args:
        tables: the columns of the relations that it knows at first. duckdb.Error if a type isn't one.
    """

    def __init__(self, tables: Mapping[str, Iterable[Column]] = MappingProxyType({})) -> None:
        self._connection, self._created = _database()
        self._samples: dict[int, tuple[pa.Table, duckdb.DuckDBPyConnection]] = {}
        wanted = {name.lower() for name in tables}
        for name in [name for name in self._created if name not in wanted]:
            self.drop(name)
        for name, columns in tables.items():
            self.create(name, columns)

    def close(self) -> None:
        """Let go of the database."""
        for _, connection in self._samples.values():
            connection.close()
        _idle.append((self._connection, self._created))

    def create(self, name: str, columns: Iterable[Column]) -> None:
        """Make an empty relation known. duckdb.Error if a type isn't one."""
        listed = ", ".join(f"{quoted(c.name)} {c.type}" for c in columns)
        statement = f"CREATE OR REPLACE TABLE {quoted(name)} ({listed})"
        if self._created.get(name.lower()) != statement:
            self._connection.execute(statement)
            self._created[name.lower()] = statement

    def drop(self, name: str) -> None:
        """Forget a relation."""
        self._connection.execute(f"DROP TABLE {quoted(name)}")
        del self._created[name.lower()]

    def statements(self, sql: str) -> list[str]:
        """Return the kind of each statement in ``sql``. Refusal if it isn't SQL."""
        try:
            return [s.type.name for s in self._connection.extract_statements(sql)]
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            self.bind(sql)
            raise Refusal(_first_words(error)) from None

    def describe(self, sql: str) -> tuple[Column, ...]:
        """Return the names and types of a SELECT's columns. Refusal if it can't be bound."""
        try:
            rows = self._connection.execute(f"DESCRIBE {sql}").fetchall()
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error as error:
            raise Refusal(_first_words(error)) from None
        return tuple(Column(row[0], row[1]) for row in rows)

    def tables_of(self, sql: str) -> frozenset[str]:
        """Return the names, in lower case, of the known relations that a SELECT mentions, and maybe of some others."""
        text = sql.lower()
        mentioned = frozenset(name for name in self._created if name.replace('"', '""') in text)
        try:
            return mentioned & {name.lower() for name in self._connection.get_table_names(sql)}
        except duckdb.Error:
            # To find the names it binds as if there were no columns, which not every join survives.
            return mentioned

    def bind(self, sql: str) -> Json | None:
        """Return the bound plan of a SELECT, before any optimizing; None when DuckDB can't tell.

        Refusal if it can't be bound.
        """
        answer = json.loads(self._one("SELECT json_serialize_plan(?::VARCHAR, optimize := false)", sql))
        if answer["error"]:
            if answer["error_type"] in _REFUSED:
                raise _refusal(answer)
            return None
        plans: list[Json] = answer["plans"]
        return plans[0] if len(plans) == 1 else None

    def syntax(self, sql: str) -> str | None:
        """Return the syntax tree of a SELECT as JSON text; None when DuckDB can't tell."""
        text = self._one("SELECT json_serialize_sql(?::VARCHAR)", sql)
        return None if text.startswith('{"error":true') else text

    def values(self, expressions: Sequence[str]) -> tuple[Any, ...]:
        """Return what constant expressions come to."""
        (row,) = self._connection.execute(f"SELECT {', '.join(expressions)}").fetchall()
        return tuple(row)

    def measure(self, rows: pa.Table, select: str) -> tuple[Any, ...] | None:
        """Return the one row that ``select`` makes of ``rows``, which it knows as ``SAMPLE``; None if it can't."""
        # A connection for each table's rows: no query sees them, and to register them takes as long as to ask.
        known = self._samples.get(id(rows))
        if known is None:
            connection = self._connection.cursor()
            connection.register(SAMPLE, rows)
            known = self._samples[id(rows)] = (rows, connection)
        try:
            (row,) = known[1].execute(select).fetchall()
        except duckdb.Error:
            return None
        return tuple(row)

    def _one(self, question: str, sql: str) -> str:
        ((answer,),) = self._connection.execute(question, [sql]).fetchall()
        return str(answer)


def _database() -> tuple[duckdb.DuckDBPyConnection, Created]:
    """Return a database that nobody uses, and the relations it has."""
    with suppress(IndexError):
        return _idle.pop()
    connection = duckdb.connect(":memory:")
    for setting in _SETTINGS:
        connection.execute(f"SET {setting}")
    return connection, {}


def _refusal(answer: Json) -> Refusal:
    place = [int(number) for number in answer["location"].strip("[]").split(",")] if answer.get("location") else None
    kind = {"COLUMN_NOT_FOUND": "column", "MISSING_ENTRY": answer.get("type", "").lower()}.get(
        answer.get("error_subtype", ""), ""
    )
    return Refusal(
        answer["error_message"],
        offset=place[0] if place else None,
        length=place[1] if place else 1,
        missing=answer.get("name") if kind else None,
        kind=kind,
        candidates=tuple(c for c in answer.get("candidates", "").split(",") if c) if kind else (),
    )


def _first_words(error: duckdb.Error) -> str:
    """Return what DuckDB said, without the kind of error in front and the copy of the query behind."""
    return str(error).split("\n\nLINE ")[0].partition("Error: ")[2] or str(error)
