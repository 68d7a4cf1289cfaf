"""Results as text, made by SQL: each row becomes one line, the bytes that DuckDB's own COPY would write.

Made in the tasks that have the rows, so that the last task of a query only copies bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from tolva.plan import LINE_COLUMN, Column, Format, Result
from tolva.planner.algebra import Expr
from tolva.planner.sql import expression, quoted

_NEVER_QUOTED = (
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "DATE", "TIME", "TIMESTAMP", "INTERVAL", "UUID",
)  # fmt: skip
_NEEDS_QUOTES = ("','", "'\"'", "'#'", "chr(10)", "chr(13)")


def line(exprs: Sequence[Expr], columns: Sequence[Column], form: Format) -> list[str]:
    """Return the items of the SELECT that ends a query: its columns for Parquet, for text one column of lines."""
    typed = [_typed(e, c) for e, c in zip(exprs, columns, strict=True)]
    match form:
        case Format.PARQUET:
            return [f"{text} AS {quoted(c.name)}" for text, c in zip(typed, columns, strict=True)]
        case Format.CSV:
            fields = ", ',', ".join(_csv_field(text, c.type) for text, c in zip(typed, columns, strict=True))
            return [f"concat({fields}, chr(10)) AS {LINE_COLUMN}"]
        case Format.NDJSON:
            packed = ", ".join(f"{quoted(c.name)} := {text}" for text, c in zip(typed, columns, strict=True))
            return [f"concat(to_json(struct_pack({packed})), chr(10)) AS {LINE_COLUMN}"]


def header(result: Result) -> bytes:
    """Return what stands at the top of each part of a result: the column names in CSV, otherwise nothing."""
    if result.format is not Format.CSV:
        return b""
    return (",".join(_csv_name(c.name) for c in result.columns) + "\n").encode()


def _typed(expr: Expr, column: Column) -> str:
    text = expression(expr)
    return text if expr.type == column.type else f"CAST({text} AS {column.type})"


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
