"""The column types a table may have, in DuckDB's words."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache

from tolva.errors import DocumentError

_ALIASES = {
    "BOOLEAN": "BOOL LOGICAL",
    "TINYINT": "INT1",
    "SMALLINT": "INT2 SHORT INT16",
    "INTEGER": "INT INT4 SIGNED INT32 INTEGRAL",
    "BIGINT": "INT8 LONG INT64 OID",
    "UTINYINT": "UINT8",
    "USMALLINT": "UINT16",
    "UINTEGER": "UINT32",
    "UBIGINT": "UINT64",
    "FLOAT": "FLOAT4 REAL",
    "DOUBLE": "FLOAT8",
    "VARCHAR": "TEXT STRING CHAR BPCHAR NVARCHAR",
    "BLOB": "BYTEA BINARY VARBINARY",
    "DATE": "",
    "TIME": "",
    "TIMESTAMP": "DATETIME TIMESTAMP_US",
    "TIMESTAMP_S": "",
    "TIMESTAMP_MS": "",
    "TIMESTAMP_NS": "",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ",
    "UUID": "GUID",
    "INTERVAL": "",
}
_NAMES = {alias: name for name, aliases in _ALIASES.items() for alias in (name, *aliases.split())}
_DECIMAL = re.compile(r"(?:DECIMAL|NUMERIC|DEC)(?: ?\( ?(\d+) ?(?:, ?(\d+) ?)?\))?")
_TEXT_WITH_LENGTH = re.compile(r"(?:VARCHAR|CHAR|TEXT|STRING|BPCHAR|NVARCHAR) ?\( ?\d+ ?\)")
_MAX_PRECISION = 38
_DEFAULT_DECIMAL = "DECIMAL(18,3)"


def canonical(name: str) -> str:
    """Return the one way tolva writes the type: ``int4`` is ``INTEGER``, ``numeric(9)`` is ``DECIMAL(9,0)``.

    DocumentError names the nearest type when there is none of that name.
    """
    words = " ".join(name.upper().split())
    if words in _NAMES:
        return _NAMES[words]
    if _TEXT_WITH_LENGTH.fullmatch(words):
        return "VARCHAR"
    decimal = _DECIMAL.fullmatch(words)
    if decimal:
        return _decimal(name, decimal[1], decimal[2])
    if words in ("HUGEINT", "INT128", "UHUGEINT"):
        raise DocumentError(f"type {name} has no columnar form; declare DECIMAL(38,0) instead", type=name)
    near = get_close_matches(words, [*_NAMES, "DECIMAL", "NUMERIC"], n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else f"known types: {', '.join(_ALIASES)}, DECIMAL(p,s)."
    raise DocumentError(f"there is no type {name!r}; {hint}", type=name)


@cache
def decimal_size(name: str) -> tuple[int, int] | None:
    """Return precision and scale of a canonical DECIMAL type; None for another type."""
    match = _DECIMAL.fullmatch(name)
    return (int(match[1]), int(match[2])) if match else None


def _decimal(name: str, precision: str | None, scale: str | None) -> str:
    if precision is None:
        return _DEFAULT_DECIMAL
    if not 1 <= int(precision) <= _MAX_PRECISION or int(scale or 0) > int(precision):
        raise DocumentError(
            f"{name} can't be: a DECIMAL has 1 to {_MAX_PRECISION} digits, and not more of them after the point",
            type=name,
        )
    return f"DECIMAL({int(precision)},{int(scale or 0)})"
