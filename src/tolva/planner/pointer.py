"""Refusals that a person can act on: what is wrong, where in the query, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from tolva.errors import QueryError
from tolva.plan import Column
from tolva.planner.binder import Refusal

_ADVICE = re.compile(r"\s*\n\s*(?:Did you mean|Candidate bindings|Candidate functions)\b.*", re.DOTALL)
_NO_SUCH_COLUMN = re.compile(r'does not have a column named "([^"]+)"')
_NEAREST_MAX = 3
_LIKENESS = 0.6


def query_error(query: str, sql: str, refusal: Refusal, tables: Mapping[str, Sequence[Column]]) -> QueryError:
    """Return DuckDB's refusal as a QueryError: its words, the nearest names there are, and the place under carets.

    Args:
        query: the query's name.
        sql: its text, as the user wrote it.
        refusal: what DuckDB said.
        tables: what could have been meant.
    """
    lines = [f"Query {query!r}: {_ADVICE.sub('', refusal.message)}"]
    lines += _suggestion(refusal, tables)
    data: dict[str, object] = {"query": query}
    if refusal.offset is not None:
        number, column, text, marked = _place(sql, refusal.offset, refusal.length)
        head = f"  line {number}: "
        lines += [f"{head}{text}", " " * (len(head) + column - 1) + "^" * marked]
        data |= {"line": number, "column": column}
    return QueryError("\n".join(lines), **data)


def _suggestion(refusal: Refusal, tables: Mapping[str, Sequence[Column]]) -> list[str]:
    missing, kind = refusal.missing, refusal.kind
    of_table = _NO_SUCH_COLUMN.search(refusal.message)
    if of_table:
        missing, kind = of_table.group(1), "column"
    if missing is None:
        return []
    names = [c.name for columns in tables.values() for c in columns]
    known = {"table": list(tables), "column": [*refusal.candidates, *names]}.get(kind, list(refusal.candidates))
    nearest = _nearest(missing, known)
    if not nearest and kind == "table":
        return [f"The tables are {', '.join(sorted(tables))}." if tables else "There are no tables."]
    nearest = nearest or list(refusal.candidates[:_NEAREST_MAX])
    return [f"Did you mean {' or '.join(nearest)}?"] if nearest else []


def _place(sql: str, offset: int, length: int) -> tuple[int, int, str, int]:
    """Return (line from 1, column from 1, the line's text, how many characters of it are meant) of a byte offset."""
    before = sql.encode()[:offset].decode(errors="ignore")
    meant = sql.encode()[offset : offset + length].decode(errors="ignore")
    number, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    text = sql.split("\n")[number - 1]
    return number, column, text, max(1, min(len(meant), len(text) - column + 1))


def _nearest(missing: str, known: Iterable[str]) -> list[str]:
    spelled = {name.lower(): name for name in known}
    found = difflib.get_close_matches(missing.lower(), spelled, n=_NEAREST_MAX, cutoff=_LIKENESS)
    return [spelled[name] for name in found]
