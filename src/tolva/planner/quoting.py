"""Identifiers and texts in SQL."""

from __future__ import annotations

import re

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_RESERVED = frozenset({
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "at", "both", "by", "case",
    "cast", "check", "collate", "column", "constraint", "create", "current_date", "current_time",
    "current_timestamp", "default", "deferrable", "desc", "describe", "distinct", "do", "else", "end", "except",
    "false", "fetch", "for", "foreign", "from", "full", "group", "having", "in", "inner", "initially", "intersect",
    "into", "is", "isnull", "join", "lambda", "lateral", "leading", "left", "like", "limit", "natural", "not",
    "notnull", "null", "offset", "on", "only", "or", "order", "outer", "pivot", "pivot_longer", "pivot_wider",
    "placing", "positional", "primary", "qualify", "references", "returning", "right", "row", "select", "semi",
    "show", "similar", "some", "summarize", "symmetric", "table", "then", "time", "timestamp", "to", "trailing",
    "true", "try_cast", "union", "unique", "unpivot", "using", "variadic", "when", "where", "window", "with",
    "glob", "ilike", "anti", "asof", "cross", "freeze", "generated", "map", "overlaps", "tablesample", "verbose",
    "values", "struct", "interval", "exists", "coalesce", "decimal", "dec", "int", "integer", "numeric", "extract",
    "grouping", "operator", "overlay", "position", "precision", "real", "setof", "substring", "treat", "trim",
    "xmlattributes", "between", "bigint", "bit", "boolean", "char", "character", "columns", "float", "inout",
    "national", "nchar", "none", "nullif", "out", "smallint", "varchar", "unpack", "try",
})  # fmt: skip


def quoted(name: str) -> str:
    """Return an identifier, in quotes unless it is plainly fine without."""
    if _PLAIN_NAME.fullmatch(name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as a constant."""
    return "'" + text.replace("'", "''") + "'"
