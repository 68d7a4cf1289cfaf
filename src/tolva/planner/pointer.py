"""Refusals that a person can act on: what is wrong, where in the query, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence

from tolva.errors import QueryError
from tolva.plan import Column
from tolva.planner.binder import Refusal
from tolva.planner.wording import plain

_ADVICE = re.compile(r"\s*\n\s*(?:Did you mean|Candidate (?:bindings|functions|tables|Entries))\b.*", re.DOTALL)
_OFFERED = re.compile(r"Candidate (?:bindings|tables|Entries): (?P<names>.*)")
_MISSING = (
    (re.compile(r'does not have a column named "([^"]+)"'), "column"),
    (re.compile(r'^Column "([^"]+)" does not exist on'), "column"),
    (re.compile(r'^Column "([^"]+)" in \w+ list not found'), "column"),
    (re.compile(r'^Referenced table "([^"]+)" not found'), "table"),
    (re.compile(r'^Could not find key "([^"]+)" in struct'), "key"),
)
"""How DuckDB names what isn't there where it doesn't say so in a field of its own."""

_QUOTED_NAME = re.compile(r"[\"']([^\"']+)[\"']")
_NEAREST_MAX = 3
_LIKENESS = 0.6
_LISTED_MAX = 12


def query_error(query: str, sql: str, refusal: Refusal, tables: Mapping[str, Sequence[Column]]) -> QueryError:
    """Return DuckDB's refusal as a QueryError: its words, the nearest names there are, and the place under carets.

    Args:
        query: the query's name.
        sql: its text, as the user wrote it.
        refusal: what DuckDB said.
        tables: what could have been meant.
    """
    lines = [f"Query {query!r}: {_ADVICE.sub('', plain(refusal.message))}"]
    lines += _suggestion(refusal, tables)
    data: dict[str, object] = {"query": query}
    offset, length = _span(sql, refusal)
    if offset is not None:
        number, column, text, marked = _place(sql, offset, length)
        head = f"  line {number}: "
        lines += [f"{head}{text}", " " * (len(head) + column - 1) + "^" * marked]
        data |= {"line": number, "column": column}
    return QueryError("\n".join(lines), **data)


def _suggestion(refusal: Refusal, tables: Mapping[str, Sequence[Column]]) -> list[str]:
    missing, kind = refusal.missing, refusal.kind
    for pattern, what in _MISSING:
        found = pattern.search(refusal.message)
        if found:
            missing, kind = found[1], what
    if missing is None or "FROM clause is missing" in refusal.message:
        return []
    offered = [name.removeprefix("main.") for name in (*refusal.candidates, *_offered(refusal.message))]
    columns = [c.name for listed in tables.values() for c in listed]
    known = {"table": [*tables, *offered], "column": [*offered, *columns]}.get(kind, offered)
    nearest = _nearest(missing, known) or (offered[:_NEAREST_MAX] if kind not in ("table", "column") else [])
    if nearest:
        return [f"Did you mean {' or '.join(nearest)}?"]
    if kind == "table":
        return [f"The tables are {', '.join(sorted(tables))}." if tables else "There are no tables."]
    distinct = list(dict.fromkeys(columns))
    return [f"The columns are {', '.join(distinct)}."] if kind == "column" and 0 < len(distinct) <= _LISTED_MAX else []


def _offered(message: str) -> list[str]:
    """Return the names that DuckDB itself suggests."""
    found = _OFFERED.search(message)
    return re.findall(r'"([^"]+)"', found["names"]) if found else []


def _span(sql: str, refusal: Refusal) -> tuple[int | None, int]:
    """Return the place the refusal is about, in bytes; where DuckDB names none, that of the one name it quotes."""
    if refusal.offset is not None:
        return refusal.offset, refusal.length
    quoted = _QUOTED_NAME.search(refusal.message)
    found = list(re.finditer(rf"(?<!\w){re.escape(quoted[1])}(?!\w)", sql, re.IGNORECASE)) if quoted else []
    if len(found) != 1:
        return None, 0
    before, name = sql[: found[0].start()], found[0][0]
    return len(before.encode()), len(name.encode())


def _place(sql: str, offset: int, length: int) -> tuple[int, int, str, int]:
    """Return (line from 1, column from 1, the line's text, how many characters of it are meant) of a byte offset."""
    before = sql.encode()[:offset].decode(errors="ignore")
    meant = sql.encode()[offset : offset + length].decode(errors="ignore")
    number, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    text = sql.split("\n")[number - 1]
    return number, column, text, max(1, min(len(meant), len(text) - column + 1))


def _nearest(missing: str, known: Iterable[str]) -> list[str]:
    """Return the names most like the missing one, and those that hold it or are held in it."""
    spelled = {name.lower(): name for name in known}
    found = difflib.get_close_matches(missing.lower(), spelled, n=_NEAREST_MAX, cutoff=_LIKENESS)
    parts = [name for name in spelled if name not in found and missing.lower() in name.split("_")]
    return [spelled[name] for name in [*found, *parts][:_NEAREST_MAX]]
