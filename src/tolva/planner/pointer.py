"""Refusals that a person can act on: what is wrong, where in the query, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

import duckdb

from tolva.errors import QueryError

_PLACE = re.compile(r"LINE (\d+): (.*)\n( *)\^", re.MULTILINE)
_KIND = re.compile(r"^(?:\w+ ){1,3}Error: ")
_MISSING = re.compile(r'(?:Referenced column|Referenced table|Table with name|column) "?([^"\s]+)"?')
_ADVICE = re.compile(r"\n(?:Did you mean|Candidate bindings).*", re.DOTALL)


def query_error(query: str, sql: str, error: duckdb.Error, known: Iterable[str] = ()) -> QueryError:
    """Return DuckDB's complaint as a QueryError with the place under a caret and the nearest of the ``known`` names."""
    text = str(error)
    place = _PLACE.search(text)
    said = _KIND.sub("", text.split("\n\nLINE ", maxsplit=1)[0]).strip()
    missing = _MISSING.search(said)
    nearest = _nearest(missing.group(1), known) if missing else []
    if nearest:
        said = _ADVICE.sub("", said) + f"\nDid you mean {' or '.join(nearest)}?"
    lines = [f"Query {query!r}: {said}"]
    data: dict[str, object] = {"query": query}
    if place:
        number, column = _position(sql, place)
        source = sql.splitlines()[number - 1] if number <= len(sql.splitlines()) else place.group(2)
        lines += [f"  line {number}: {source}", " " * (len(f"  line {number}: ") + column - 1) + "^"]
        data |= {"line": number, "column": column}
    return QueryError("\n".join(lines), **data)


def _position(sql: str, place: re.Match[str]) -> tuple[int, int]:
    """Return (line, column) in the user's text, both from 1. DuckDB may show only a piece of a long line."""
    number = int(place.group(1))
    indent = len(place.group(3)) - len(f"LINE {number}: ")
    shown, lines = place.group(2), sql.splitlines()
    if number <= len(lines) and shown.startswith("..."):
        piece = shown.removeprefix("...").removesuffix("...")
        start = lines[number - 1].find(piece)
        if start >= 0:
            return number, start + indent - 3 + 1
    return number, indent + 1


def _nearest(missing: str, known: Iterable[str]) -> list[str]:
    spelled = {name.lower(): name for name in known}
    return [spelled[n] for n in difflib.get_close_matches(missing.lower(), spelled, n=3, cutoff=0.6)]
