"""Records from a stored table: all rows of a key, each as an object of JSON."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import duckdb
import pyarrow as pa
from pydantic import Field

from tolva.errors import DocumentError, StateError
from tolva.formats.engine import engine
from tolva.formats.stored import Stored
from tolva.formats.table_object import rows_of
from tolva.model import TableObject
from tolva.sources.contract import Answer, Failure, Fetched, SourceSettings, TableVersion, Tools
from tolva.storage import Storage


class TableSettings(SourceSettings):
    """Which stored table, and its column of keys. A key without rows fails unless it may be ``missing``."""

    kind: Literal["table"]
    name: str = Field(min_length=1)
    column: str
    missing: Literal["fail", "allow"] = "fail"

    # Every call reads all objects that may hold one of its keys.
    batch_keys: ClassVar[int] = 1000

    @property
    def stored_name(self) -> str:
        """See ``SourceSettings.stored_name``."""
        return self.name

    def open(self, tools: Tools) -> TableRows:
        """See ``SourceSettings.open``."""
        if tools.table is None:
            raise StateError(f"The source was opened without the table {self.name}.", table=self.name)
        for column, _ in tools.table.columns:
            if column.casefold() == self.column.casefold():
                return TableRows(self, column, tools.table, tools.storage)
        there = ", ".join(column for column, _ in tools.table.columns)
        raise DocumentError(f"source: table {self.name} has no column {self.column!r}; there are {there}.")


class TableRows:
    """The rows of a version of a table; ``column`` is the one of keys.

    A key is compared with the text of a value: 7 is not 007. One call at a time reads, and one object at a time is in
    memory.
    """

    def __init__(self, settings: TableSettings, column: str, table: TableVersion, storage: Storage | None) -> None:
        self._settings = settings
        self._column = column
        self._types = dict(table.columns)
        self._objects = table.objects
        self._storage = storage
        self._lock = threading.Lock()

    def fetch(self, keys: Sequence[str]) -> Iterator[Answer]:
        """See ``Source.fetch``."""
        records: dict[str, list[str]] = {key: [] for key in keys}
        with self._lock, engine().cursor() as connection:
            connection.register("asked", pa.table({"key": pa.array(keys, pa.string())}))
            for each in self._candidates(connection):
                for key, record in self._found(connection, each):
                    records[key].append(record)
        for key, found in records.items():
            if found or self._settings.missing == "allow":
                yield Fetched(key, found)
            else:
                told = f"table {self._settings.name} has no record whose {self._column} is {key}"
                yield Failure(key, "no_record", told)

    def _candidates(self, connection: duckdb.DuckDBPyConnection) -> list[TableObject]:
        """Return the objects that may hold one of the keys, by the bounds that are known of them."""
        bounds = [each.bounds.get(self._column, [None, None]) for each in self._objects]
        low, high = (pa.array([both[side] for both in bounds], pa.string()) for side in (0, 1))
        connection.register(
            "noted", pa.table({"n": pa.array(range(len(bounds)), pa.int64()), "low": low, "high": high})
        )
        kind = self._types[self._column]
        # A key that isn't of the column's type is no value's text.
        rows = connection.execute(
            f"WITH typed AS (SELECT try_cast(key AS {kind}) AS key FROM asked), "
            f"ranges AS (SELECT n, try_cast(low AS {kind}) AS low, try_cast(high AS {kind}) AS high FROM noted) "
            "SELECT n FROM ranges WHERE low IS NULL OR high IS NULL "
            "OR EXISTS (SELECT 1 FROM typed WHERE key BETWEEN low AND high) ORDER BY n"
        ).fetchall()
        return [self._objects[n] for (n,) in rows]

    def _found(self, connection: duckdb.DuckDBPyConnection, each: TableObject) -> list[tuple[str, str]]:
        """Return the object's rows of the keys, as (key, JSON), in their order."""
        values = self._rows(each, [self._column])
        connection.register("given", pa.table({"n": pa.array(range(len(values))), "value": values[self._column]}))
        places = connection.execute(
            "SELECT n, asked.key FROM given JOIN asked ON CAST(given.value AS VARCHAR) = asked.key ORDER BY n"
        ).fetchall()
        if not places:
            return []
        rows = self._rows(each, list(self._types)).take(pa.array([n for n, _ in places]))
        # Users' names are inside of a value, so that they never become SQL.
        connection.register("found", pa.table({"record": rows.to_struct_array()}))
        records = connection.execute("SELECT CAST(to_json(record) AS VARCHAR) FROM found").fetchall()
        return [(key, record) for (_, key), (record,) in zip(places, records, strict=True)]

    def _rows(self, each: TableObject, wanted: Sequence[str]) -> pa.Table:
        if self._storage is None:
            raise StateError(f"The table {self._settings.name} was to be read without storage.")
        return rows_of(Stored(self._storage, each.key), each.bytes, each.dropped, self._types, wanted)[0]
