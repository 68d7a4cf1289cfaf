"""Sorts lines of JSON into good and bad ones.

A clean chunk is DuckDB's alone. It refuses a chunk as a whole, so that in others the bad lines are found first: by
whole columns where that can be, and by halving what is left where a nested value may be the one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tolva.errors import RecordError
from tolva.formats.delimited.bounds import Bounds, Positions, bounds_of
from tolva.formats.delimited.text import Text
from tolva.formats.engine import answer, engine, literal
from tolva.formats.ndjson.objects import read_lines
from tolva.formats.reasons import Reasons
from tolva.formats.reject import REJECTS, Sorted, listed
from tolva.formats.utf8 import as_text, is_text

_SHOWN_CHARS = 100
_SPACES = list(b" \t\r")
_PLACE = re.compile(r"at byte (\d+) of input: (.*?)\.\s+Input:")
_KINDS = {
    "ARRAY": "a list",
    "VARCHAR": "a text",
    "BOOLEAN": "a truth value",
    **dict.fromkeys(("BIGINT", "UBIGINT", "DOUBLE", "HUGEINT", "UHUGEINT"), "a number"),
}


def read_chunk(text: Text, types: Mapping[str, str]) -> pa.Table:
    """Return the columns of a chunk. RecordError for the first line that can't be read so."""
    try:
        return _clean(text, types)
    except duckdb.Error:
        found = sort_out(text, types)
    first = next(listed(text.origin.name, found.rejects), None)
    if first is None:
        return found.rows
    words = f"column {first.column}: {first.message}" if first.column else f"the line {first.message}"
    raise RecordError(
        f"{text.origin.name}:{first.line}: {words}; mend the record or declare another type",
        file=text.origin.name,
        line=first.line,
        byte_offset=first.offset,
        column=first.column,
        reason=first.code,
    )


def sort_out(text: Text, types: Mapping[str, str]) -> Sorted:
    """Sort a chunk's records; see ``Format.sort_out``. Lines of white space are no records."""
    bounds = bounds_of(text)
    try:
        rows = _clean(text, types)
    except duckdb.Error:
        return _sort_out(bounds, types)
    numbers = np.flatnonzero(_filled(bounds))
    return Sorted(
        rows, REJECTS.empty_table(), len(numbers), lambda at: bounds.places(numbers[np.asarray(at, np.int64)])
    )


def well_formed(bounds: Bounds) -> Positions:
    """Return the numbers of the lines that are objects, without a key that is there twice."""
    reasons = Reasons()
    return _objects(bounds, None, reasons)


def _clean(text: Text, types: Mapping[str, str]) -> pa.Table:
    # DuckDB takes bytes that aren't UTF-8 in strings that nobody asks for, and NUL between lines.
    if not is_text(text.data):
        raise duckdb.InvalidInputException("not UTF-8")
    return read_lines(text.data, types)


def _sort_out(bounds: Bounds, types: Mapping[str, str]) -> Sorted:
    reasons = Reasons()
    numbers = _objects(bounds, list(types), reasons)
    numbers = np.setdiff1d(numbers, _misfits(bounds, numbers, types, reasons))
    rows = read_lines(bounds.joined(numbers), types) if len(numbers) else _nothing(types)
    return Sorted(
        rows=rows,
        rejects=reasons.rejects(bounds.places),
        records=len(np.flatnonzero(_filled(bounds))),
        places=lambda at: bounds.places(numbers[np.asarray(at, np.int64)]),
    )


def _nothing(types: Mapping[str, str]) -> pa.Table:
    return read_lines(b"{}", types).slice(0, 0)


def _filled(bounds: Bounds) -> npt.NDArray[np.bool_]:
    """Return for each line whether it is more than white space."""
    filled = bounds.stops > bounds.starts
    data = np.frombuffer(bounds.text.data, np.uint8)
    suspects = np.flatnonzero(filled)
    suspects = suspects[np.isin(data[bounds.starts[suspects]], _SPACES)]
    for number, line in zip(suspects.tolist(), bounds.raw(suspects).to_pylist(), strict=True):
        filled[number] = bool(line.strip(bytes(_SPACES)))
    return filled


def _objects(bounds: Bounds, wanted: Sequence[str] | None, reasons: Reasons) -> Positions:
    """Return the numbers of the lines that are objects, in which no wanted key (None: none at all) is there twice."""
    numbers = np.flatnonzero(_filled(bounds))
    texts, broken = as_text(pa.chunked_array([bounds.raw(numbers).cast(pa.binary())]))
    rows = np.fromiter(broken, np.int64, len(broken))
    _note(reasons, numbers[rows], "encoding", [f"is not UTF-8 at its byte {at + 1}" for at in broken.values()])
    keys = "json_keys(line)" if wanted is None else f"list_filter(json_keys(line), lambda k: k IN ({_listed(wanted)}))"
    sound = "json_valid(line)" if wanted is not None else "json_valid(line) AND json_structure(line) IS NOT NULL"
    # A line that is no JSON, or too deep, has no type.
    found = _asked(
        texts,
        "SELECT kind, kind = 'OBJECT' AND len(list_distinct(keys)) < len(keys) AS twice FROM ("
        f"SELECT kind, CASE WHEN kind = 'OBJECT' THEN {keys} END AS keys FROM ("
        f"SELECT line, TRY(CASE WHEN {sound} THEN json_type(line) END) AS kind FROM lines))",
    )
    kinds, given = found["kind"], pc.is_valid(texts)
    malformed = _rows(pc.and_(given, pc.is_null(kinds)))
    _note(reasons, numbers[malformed], "json", [_malformed(line.as_py()) for line in texts.take(pa.array(malformed))])
    others = _rows(pc.invert(pc.is_in(kinds, pa.array([None, "OBJECT", "NULL"], pa.string()))))
    _note(reasons, numbers[others], "not_an_object", [f"is {_KINDS[kinds[i].as_py()]}, not an object" for i in others])
    twice = _rows(found["twice"])
    _note(reasons, numbers[twice], "duplicate_key", [_twice(texts[i].as_py()) for i in twice])
    return np.setdiff1d(numbers, reasons.records())


def _asked(texts: pa.ChunkedArray, sql: str) -> pa.Table:
    with engine().cursor() as connection:
        connection.register("lines", pa.table({"line": texts}))
        return answer(connection, sql)


def _rows(flags: pa.ChunkedArray) -> Positions:
    rows: Positions = np.flatnonzero(pc.fill_null(flags, False).to_numpy())
    return rows


def _note(reasons: Reasons, numbers: Positions, code: str, words: Sequence[str]) -> None:
    reasons.note(numbers, [None] * len(words), [code] * len(words), words)


def _malformed(line: str) -> str:
    """Return what is wrong with a line that DuckDB doesn't take as JSON."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        return f"is not JSON at its byte {len(line[: error.pos].encode()) + 1}: {error.msg}"
    except RecursionError:
        return "is nested too deep"
    try:
        engine().cursor().execute("SELECT json_type(?::JSON)", [line])
    except duckdb.Error as error:
        found = _PLACE.search(str(error))
        if found:
            return f"is not JSON at its byte {int(found[1]) + 1}: {found[2]}"
    return "is nested too deep"


def _twice(line: str) -> str:
    pairs: list[tuple[str, object]] = json.JSONDecoder(object_pairs_hook=lambda found: found).decode(line)
    names = [name for name, _ in pairs]
    return f"has the key {next(name for name in names if names.count(name) > 1)!r} twice"


def _misfits(bounds: Bounds, numbers: Positions, types: Mapping[str, str], reasons: Reasons) -> Positions:
    """Return the numbers of those of these objects that have a value which isn't of its column's type."""
    nested = {name: kind for name, kind in types.items() if _is_nested(kind)}
    scalar = {name: kind for name, kind in types.items() if not _is_nested(kind)}
    bad = _scalar_misfits(bounds, numbers, scalar, reasons)
    bad += _blamed(bounds, numbers, nested, reasons)
    # Where DuckDB's functions on JSON are of another opinion than its reader, the reader is right.
    bad += _blamed(bounds, np.setdiff1d(numbers, bad), types, reasons)
    return np.array(bad, np.int64)


def _blamed(bounds: Bounds, numbers: Positions, types: Mapping[str, str], reasons: Reasons) -> list[int]:
    """Note against each line that DuckDB refuses the columns for which it does; return the numbers of these lines."""
    found = _refused(bounds, numbers, types) if types else []
    for number in found:
        names = [name for name, kind in types.items() if _refused(bounds, np.array([number]), {name: kind})]
        words = [f"is not {_named(types[name])}" for name in names]
        reasons.note([number] * len(names), names, ["type"] * len(names), words)
    return found


def _scalar_misfits(bounds: Bounds, numbers: Positions, types: Mapping[str, str], reasons: Reasons) -> list[int]:
    if not types or not len(numbers):
        return []
    texts = pa.chunked_array([bounds.raw(numbers).cast(pa.string())])
    items = []
    for i, (name, kind) in enumerate(types.items()):
        value = f"json_extract(line, {literal(_pointer(name))})"
        cast = f"struct_extract(from_json(line, {literal(json.dumps({name: kind}))}), {literal(name)})"
        there = f"json_type({value}) <> 'NULL'"
        items.append(f"CASE WHEN {there} AND {cast} IS NULL THEN CAST({value} AS VARCHAR) END AS c{i}")
    found = _asked(texts, f"SELECT {', '.join(items)} FROM lines")
    bad: set[int] = set()
    for i, (name, kind) in enumerate(types.items()):
        rows = _rows(pc.is_valid(found[f"c{i}"]))
        bad.update(numbers[rows].tolist())
        words = [f"{_shown(found[f'c{i}'][row].as_py())} is not {_named(kind)}" for row in rows.tolist()]
        reasons.note(numbers[rows], [name] * len(words), ["type"] * len(words), words)
    return sorted(bad)


def _refused(bounds: Bounds, numbers: Positions, types: Mapping[str, str]) -> list[int]:
    """Return the numbers of the lines that DuckDB doesn't read with these types, by halving."""
    if not len(numbers):
        return []
    try:
        read_lines(bounds.joined(numbers), types)
    except duckdb.Error:
        if len(numbers) == 1:
            return [int(numbers[0])]
        half = len(numbers) // 2
        return _refused(bounds, numbers[:half], types) + _refused(bounds, numbers[half:], types)
    return []


def _is_nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(literal, names)) or "NULL"


def _shown(value: str) -> str:
    return value if len(value) <= _SHOWN_CHARS else f"{value[:_SHOWN_CHARS]}…"


def _named(kind: str) -> str:
    return f"an {kind}" if kind.startswith("INT") else f"a {kind}"
