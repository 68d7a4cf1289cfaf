"""Results as text, made by SQL: each row becomes one line, the bytes that DuckDB's own COPY would write.

Made in the tasks that have the rows, so that the last task of a query only copies bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tolva.plan import LINE_COLUMN, Column, Format, Result
from tolva.planner.quoting import quoted

_NEVER_QUOTED = (
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "INTERVAL", "UUID",
)  # fmt: skip
_NEEDS_QUOTES = ("','", "'\"'", "'#'", "chr(10)", "chr(13)")


def line(typed: Sequence[str], columns: Sequence[Column], form: Format) -> list[str]:
    """Return the items of the SELECT that ends a query: its columns for Parquet, for text one column of lines.

    ``typed`` is the SQL of each column, of that column's type.
    """
    match form:
        case Format.PARQUET:
            return [f"{text} AS {quoted(c.name)}" for text, c in zip(typed, columns, strict=True)]
        case Format.CSV:
            fields = ", ',', ".join(_csv_field(text, c.type) for text, c in zip(typed, columns, strict=True))
            return [f"concat({fields}, chr(10)) AS {LINE_COLUMN}"]
        case Format.NDJSON:
            packed = ", ".join(f"{quoted(c.name)} := {text}" for text, c in zip(typed, columns, strict=True))
            return [f"concat(to_json(struct_pack({packed})), chr(10)) AS {LINE_COLUMN}"]


def encoded(sql: str, result: Result, ctes: Sequence[str] = ()) -> Result:
    """Return the result as the answer of ``sql``, encoded; ``ctes`` go before it."""
    symbols = [f"c{n}" for n in range(len(result.columns))]
    items = ", ".join(line(symbols, result.columns, result.format))
    given = f"WITH {', '.join(ctes)} " if ctes else ""
    return replace(result, sql=f"{given}SELECT {items} FROM ({sql}\n) AS answer({', '.join(symbols)})")


def header(result: Result) -> bytes:
    """Return what stands at the top of each part of a result: the column names in CSV, otherwise nothing."""
    if result.format is not Format.CSV:
        return b""
    return (",".join(_csv_name(c.name) for c in result.columns) + "\n").encode()


def _csv_field(text: str, type_: str) -> str:
    # concat() takes NULL for the empty text, which is how CSV writes it.
    if type_.startswith(_NEVER_QUOTED) and not type_.endswith("]"):
        return text
    if type_ != "VARCHAR":
        text = f"CAST({text} AS VARCHAR)"
    special = " OR ".join([f"{text} = ''", *(f"contains({text}, {one})" for one in _NEEDS_QUOTES)])
    return f"CASE WHEN {special} THEN '\"' || replace({text}, '\"', '\"\"') || '\"' ELSE {text} END"


def _csv_name(name: str) -> str:
    if name and not any(c in name for c in ',"#\n\r'):
        return name
    return '"' + name.replace('"', '""') + '"'
