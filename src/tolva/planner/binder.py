"""DuckDB as the binder: an empty database with the job's tables, asked what SQL means and never for rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import duckdb

from tolva.plan import Column
from tolva.planner.sql import quoted

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


class Binder:
    """Knows names and types, and DuckDB's own words when something doesn't fit."""

    def __init__(self) -> None:
        self._connection = duckdb.connect(":memory:")
        for setting in _SETTINGS:
            self._connection.execute(f"SET {setting}")

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def create(self, name: str, columns: Iterable[Column]) -> None:
        """Make an empty relation known. duckdb.Error if a type isn't one."""
        listed = ", ".join(f"{quoted(c.name)} {c.type}" for c in columns)
        self._connection.execute(f"CREATE OR REPLACE TABLE {quoted(name)} ({listed})")

    def drop(self, name: str) -> None:
        """Forget a relation."""
        self._connection.execute(f"DROP TABLE {quoted(name)}")

    def statements(self, sql: str) -> list[tuple[str, str]]:
        """Return (type, text) of each statement in ``sql``. duckdb.Error if it isn't SQL."""
        return [(s.type.name, s.query) for s in self._connection.extract_statements(sql)]

    def describe(self, sql: str) -> tuple[Column, ...]:
        """Return the names and types of a SELECT's columns. duckdb.Error if it can't be bound."""
        rows = self._connection.execute(f"DESCRIBE {sql}").fetchall()
        return tuple(Column(row[0], row[1]) for row in rows)

    def tables_of(self, sql: str) -> frozenset[str]:
        """Return the names, in lower case, of the tables that a SELECT mentions."""
        return frozenset(name.lower() for name in self._connection.get_table_names(sql))

    def logical_plan(self, sql: str) -> dict[str, Any] | None:
        """Return the bound plan of a SELECT, before any optimizing; None when DuckDB can't tell."""
        text = self._one("SELECT json_serialize_plan(?::VARCHAR, optimize := false)", sql)
        answer = json.loads(text)
        if answer["error"] or len(answer["plans"]) != 1:
            return None
        plan: dict[str, Any] = answer["plans"][0]
        return plan

    def syntax(self, sql: str) -> str | None:
        """Return the syntax tree of a SELECT as JSON text; None when DuckDB can't tell."""
        text = self._one("SELECT json_serialize_sql(?::VARCHAR)", sql)
        return None if text.startswith('{"error":true') else text

    def values(self, expressions: Sequence[str]) -> tuple[Any, ...]:
        """Return what constant expressions come to."""
        row = self._connection.execute(f"SELECT {', '.join(expressions)}").fetchone()
        return row or ()

    def _one(self, question: str, sql: str) -> str:
        row = self._connection.execute(question, [sql]).fetchone()
        return str(row[0]) if row else ""
