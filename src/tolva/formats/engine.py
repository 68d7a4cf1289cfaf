"""The DuckDB that says what types and values mean; formats ask it. It opens no file of a disk and sees no variable."""

from __future__ import annotations

from functools import cache, lru_cache

import duckdb
import pyarrow as pa

from tolva.errors import DocumentError


@cache
def engine() -> duckdb.DuckDBPyConnection:
    """Return this process's own instance; take a cursor of it for statements."""
    connection = duckdb.connect(config=_SETTINGS)
    for setting in _LAST_SETTINGS:
        connection.execute(f"SET GLOBAL {setting}")
    return connection


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    """Return the rows of a SELECT; truth values as Arrow's own, in which others look for them."""
    table = connection.sql(sql).to_arrow_table()
    plain = [field.with_type(pa.bool_()) if field.type == pa.bool8() else field for field in table.schema]
    return table.cast(pa.schema(plain))


@lru_cache(maxsize=1024)
def type_of(arrow: pa.DataType) -> str | None:
    """Return the type that DuckDB gives an Arrow column; None when it takes none such."""
    with engine().cursor() as connection:
        try:
            connection.register("given", pa.table({"c": pa.nulls(0, arrow)}))
            row = connection.execute("DESCRIBE given").fetchone()
        except duckdb.Error:
            return None
    return str(row[1]) if row else None


def canonical(name: str) -> str:
    """Return DuckDB's own way to write a type, nested ones included; DocumentError when it isn't one."""
    try:
        return str(engine().type(name))
    except duckdb.Error as error:
        said = str(error).partition("Error: ")[2].split("\n")[0]
        raise DocumentError(f"there is no type {name!r}: {said}", type=name) from None


_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "python_enable_replacements": False,
    # UUID, JSON and others keep their type only so.
    "arrow_lossless_conversion": True,
}
_LAST_SETTINGS = (
    "TimeZone = 'UTC'",
    # What is in memory can be read as a file.
    "allowed_directories = ['/proc/self/fd/']",
    "enable_external_access = false",
)


def literal(text: str) -> str:
    """Return a text as SQL."""
    return "'" + text.replace("'", "''") + "'"
