"""DuckDB's types: from the JSON of a bound plan to the words of SQL."""

from __future__ import annotations

import re
from typing import Any

from tolva.planner.algebra import UnsupportedError
from tolva.planner.quoting import literal, quoted

_PLAIN = {
    "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "UHUGEINT", "FLOAT", "DOUBLE", "VARCHAR", "BLOB", "BIT", "DATE", "TIME", "TIME WITH TIME ZONE", "TIMESTAMP",
    "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "INTERVAL", "UUID",
}  # fmt: skip
_NULL = "NULL"
_LOSSY = re.compile(r"\b(ENUM|TUPLE|UNION)\b")  # Arrow makes text of the first, and of the others plain structs


def type_sql(value: dict[str, Any]) -> str:
    """Return a type as SQL. UnsupportedError for types that can't be written, or carry more than their name."""
    name, info = value["id"], value.get("type_info")
    if info and info.get("alias"):
        if (name, info["alias"], info["type"]) == ("VARCHAR", "JSON", "GENERIC_TYPE_INFO"):
            return "JSON"
        raise UnsupportedError(f"type {info['alias']}")
    if name in _PLAIN and info is None:
        return str(name)
    if name == _NULL and info is None:
        return '"NULL"'
    if name in _NESTED and info is not None:
        return _NESTED[name](info)
    raise UnsupportedError(f"type {name}")


def survives(type_: str) -> bool:
    """Whether a type, as SQL, comes back as itself when its values went through Arrow."""
    return _LOSSY.search(type_) is None


def _decimal(info: dict[str, Any]) -> str:
    return f"DECIMAL({info['width']},{info['scale']})"


def _list(info: dict[str, Any]) -> str:
    return f"{type_sql(info['child_type'])}[]"


def _array(info: dict[str, Any]) -> str:
    return f"{type_sql(info['child_type'])}[{info['size']}]"


def _struct(info: dict[str, Any]) -> str:
    fields = ", ".join(f"{quoted(f['first'])} {type_sql(f['second'])}" for f in info["child_types"])
    return f"STRUCT({fields})"


def _tuple(info: dict[str, Any]) -> str:
    return f"TUPLE({', '.join(type_sql(f['second']) for f in info['child_types'])})"


def _map(info: dict[str, Any]) -> str:
    key, value = info["child_type"]["type_info"]["child_types"]
    return f"MAP({type_sql(key['second'])}, {type_sql(value['second'])})"


def _enum(info: dict[str, Any]) -> str:
    return f"ENUM({', '.join(literal(v) for v in info['values'])})"


_NESTED = {
    "DECIMAL": _decimal,
    "LIST": _list,
    "ARRAY": _array,
    "STRUCT": _struct,
    "TUPLE": _tuple,
    "MAP": _map,
    "ENUM": _enum,
}
