"""Lines of JSON: values as DuckDB's ``read_json`` gives them, and every bad line found, with its place."""

from __future__ import annotations

import gzip
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lines_kit import file_of, sort_out
from parquet_kit import Duck, read_all

from tolva import formats
from tolva.errors import DocumentError, InputError, RecordError
from tolva.formats.stored import Held
from tolva.jobs.prepare import Spec
from tolva.plan import Column

EXAMPLES = int(os.environ.get("TOLVA_FUZZ", "25"))
duck = Duck()
judge = duckdb.connect(config={"threads": 1})
judge.execute("SET GLOBAL TimeZone = 'UTC'")


def spec(**columns: str) -> Spec:
    return Spec(["f"], columns, format="ndjson")


# -- what good lines mean -----------------------------------------------------------------------------------------


_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["2024-01-31", "2024-01-31T10:00:00", "10:00:00", "2024-01-31 10:00:00+02", "1", "1.5", ""])
)
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner), max_leaves=6
)
_KEYS = ["a", "b", "c d", "ñ", 'q"', "e/f~g"]
_objects = st.lists(st.dictionaries(st.sampled_from(_KEYS), _values, min_size=1), min_size=1, max_size=8)
_DECLARED = ["VARCHAR", "BIGINT", "DOUBLE", "DECIMAL(9,2)", "DATE", "TIMESTAMP", "BOOLEAN", "JSON", "VARCHAR[]"]


def judged(path: Path, types: dict[str, str] | None) -> tuple[list[tuple[str, str]], Any]:
    """Return what DuckDB itself makes of a file: columns, and rows or None when it refuses it."""
    columns = "" if types is None else f", columns = {types!r}"
    with judge.cursor() as connection:
        source = f"read_json('{path}', format = 'newline_delimited', records = true, sample_size = -1{columns})"
        described = [(row[0], row[1]) for row in connection.execute(f"DESCRIBE FROM {source}").fetchall()]
        try:
            rows = connection.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {source}").fetchall()
        except duckdb.Error:
            rows = None
    return described, rows


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(_objects, st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]), st.booleans())
def test_inferred_columns_are_duckdbs(objects: list[dict[str, Any]], line_end: str, final: bool) -> None:
    text = line_end.join(json.dumps(each, ensure_ascii=False) for each in objects) + (line_end if final else "")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_text(text, newline="")
        table = formats.resolve("t", spec(), Path(folder))
        columns, rows = judged(path, None)
        found = [(column.name, column.type) for column in table.columns]
        # A key without any value is a column of JSON, for a column of nothing is of no use.
        assert found == [(name, re.sub(r'^"NULL"((\[\])*)$', r"JSON\1", kind)) for name, kind in columns]
        for chunk_bytes in (1, 2**20):
            pieces = read_all(table, chunk_bytes)
            assert [row for piece in pieces for row in duck.spelled(piece)] == rows
            assert sum(piece.num_rows for piece in read_all(table, chunk_bytes, [])) == len(objects)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(_objects, st.lists(st.sampled_from(_DECLARED), min_size=2, max_size=2), st.sampled_from([1, 2**20]))
def test_declared_types_accept_and_refuse_as_duckdb(
    objects: list[dict[str, Any]], kinds: list[str], chunk: int
) -> None:
    types = dict(zip(["a", 'q"'], kinds, strict=True))
    lines = [json.dumps(each).encode() + b"\n" for each in objects]
    expected, bad = [], []
    with TemporaryDirectory() as folder:
        for line in lines:
            (Path(folder) / "one").write_bytes(line)
            _, rows = judged(Path(folder) / "one", types)
            expected += rows or []
            bad.append(rows is None)
        (Path(folder) / "f").write_bytes(b"".join(lines))
        table = formats.resolve("t", Spec(["f"], types, format="ndjson"), Path(folder))
        file, all_types = formats.unstored(table.files[0]), {column.name: column.type for column in table.columns}
        parts = [formats.sort_out(file, c, all_types, list(types)) for c in formats.chunks_of(file, chunk)]
        assert [row for part in parts for row in duck.spelled(part.rows)] == expected
        refused = {number for part in parts for number in part.rejects["line"].to_pylist()}
        assert refused == {i + 1 for i, is_bad in enumerate(bad) if is_bad}
        if any(bad):
            with pytest.raises(RecordError, match=rf"^f:{bad.index(True) + 1}: column "):
                read_all(table, 2**20, list(types))


def test_columns_come_from_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"id": 1, "s": {"x": 1}}\n')
    (tmp_path / "b.jsonl").write_text('{"id": 2.5, "s": {"y": "t"}, "later": [1]}\n')
    table = formats.resolve("t", Spec(["*.*"]), tmp_path)
    assert [f"{column.name} {column.type}" for column in table.columns] == [
        "id DOUBLE",
        "s STRUCT(x BIGINT, y VARCHAR)",
        "later BIGINT[]",
    ]
    assert [row for piece in read_all(table, 1) for row in duck.spelled(piece)] == [
        ("1.0", "{'x': 1, 'y': NULL}", None),
        ("2.5", "{'x': NULL, 'y': t}", "[1]"),
    ]


def test_declared_columns_win_and_may_be_new(tmp_path: Path) -> None:
    file, types = file_of(b'{"id": 1, "b": 2}\n', spec(ID="varchar", extra="struct(a int)"), tmp_path)
    assert types == {"id": "VARCHAR", "b": "BIGINT", "extra": "STRUCT(a INTEGER)"}
    assert sum(1 for _ in formats.chunks_of(file, 1)) == 1


def test_columns_that_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"there is no type 'INTEGR'"):
        file_of(b'{"id": 1}\n', spec(id="INTEGR"), tmp_path)
    with pytest.raises(DocumentError, match=r"column id: JSON holds no values of type BIT"):
        file_of(b'{"id": 1}\n', spec(id="BIT"), tmp_path)
    with pytest.raises(InputError, match=r"^f: its objects have keys like 'A' that differ in upper and lower case"):
        file_of(b'{"a": 1}\n{"A": 1}\n', spec(), tmp_path)
    assert list(file_of(b'{"a": 1, "a_1": 2}\n', spec(), tmp_path)[1]) == ["a", "a_1"]
    for nothing in (b"", b"\n\n", b"{}\n", b"[1]\n"):
        with pytest.raises(InputError, match=r"^table t: its files have no records; declare its columns"):
            file_of(nothing, spec(), tmp_path)


# -- awkward lines ------------------------------------------------------------------------------------------------

GOOD = b'{"n": 1, "s": {"x": 1}}'
DEEP = 100_000

AWKWARD: dict[str, tuple[bytes, list[str]]] = {
    # what is wrong with each record: nothing (""), or the codes of its rejects
    "one": (GOOD + b"\n", [""]),
    "no final newline": (GOOD, [""]),
    "crlf": (GOOD + b"\r\n" + GOOD + b"\r\n", ["", ""]),
    "mixed line ends": (GOOD + b"\r\n" + GOOD + b"\n" + GOOD, ["", "", ""]),
    "lone cr between objects": (GOOD + b"\r" + GOOD + b"\n", ["json"]),
    "cr in white space": (b'{"n":\r1}\n', [""]),
    "empty lines": (b"\n\n" + GOOD + b"\n\n", [""]),
    "white lines": (b" \t\n\r\n" + GOOD + b"\n \n", [""]),
    "bom": (b"\xef\xbb\xbf" + GOOD + b"\n", [""]),
    "bom later": (GOOD + b"\n\xef\xbb\xbf" + GOOD + b"\n", ["", "json"]),
    "spaces around": (b"  " + GOOD + b"  \n", [""]),
    "empty object": (b"{}\n", [""]),
    "null": (b"null\n", [""]),
    "unknown key": (b'{"z": 1}\n', [""]),
    "unknown key twice": (b'{"z": 1, "z": 2}\n', [""]),
    "null values": (b'{"n": null, "s": null}\n', [""]),
    "number in text": (b'{"n": "12"}\n', [""]),
    "real": (b'{"n": 1.0}\n', [""]),
    "exponent": (b'{"n": 1e3}\n', [""]),
    "negative zero": (b'{"n": -0}\n', [""]),
    "true": (b'{"n": true}\n', [""]),
    "unicode escape": (b'{"\\u006e": 3}\n', [""]),
    "emoji": ('{"n": 1, "e": "\U0001f600"}\n'.encode(), [""]),
    "surrogate pair": (b'{"e": "\\ud83d\\ude00"}\n', [""]),
    "line separator": ('{"e": "\u2028\u0085"}\n'.encode(), [""]),
    "escaped newline": (b'{"e": "a\\nb"}\n', [""]),
    "nul escaped": (b'{"e": "\\u0000"}\n', [""]),
    "long text": (b'{"e": "' + b"x" * 300_000 + b'"}\n', [""]),
    "many keys": (b"{" + b",".join(b'"k%d": %d' % (i, i) for i in range(2000)) + b"}\n", [""]),
    "pretty printed": (b'{\n"n": 1\n}\n', ["json", "json", "json"]),
    "two objects": (GOOD + GOOD + b"\n", ["json"]),
    "comma at the end": (GOOD + b",\n", ["json"]),
    "array of all": (b"[" + GOOD + b"]\n", ["not_an_object"]),
    "number": (b"7\n", ["not_an_object"]),
    "text": (b'"x"\n', ["not_an_object"]),
    "truth": (b"false\n", ["not_an_object"]),
    "cut short": (b'{"n": 1\n' + GOOD + b"\n", ["json", ""]),
    "cut short at the end": (GOOD + b'\n{"n"', ["", "json"]),
    "open text": (b'{"n": "1}\n' + GOOD + b"\n", ["json", ""]),
    "trailing comma": (b'{"n": 1,}\n', [""]),
    "single quotes": (b"{'n': 1}\n", ["json"]),
    "bare key": (b"{n: 1}\n", ["json"]),
    "comment": (b'{"n": 1} // one\n', ["json"]),
    "leading zero": (b'{"n": 01}\n', ["json"]),
    "plus": (b'{"n": +1}\n', ["json"]),
    "hexadecimal": (b'{"n": 0x1F}\n', ["json"]),
    "tab in text": (b'{"e": "a\tb"}\n', ["json"]),
    "nul": (b'{"e": "a\0b"}\n', ["json"]),
    "bad escape": (b'{"e": "\\q"}\n', ["json"]),
    "lone high surrogate": (b'{"e": "\\ud800"}\n', ["json"]),
    "lone low surrogate": (b'{"e": "\\udc00"}\n', ["json"]),
    "bytes that are no text": (b'{"e": "\xff"}\n', ["encoding"]),
    "latin-1": ('{"e": "\xf1"}\n'.encode("latin-1"), ["encoding"]),
    "surrogate as bytes": (b'{"e": "\xed\xa0\x80"}\n', ["encoding"]),
    "cut character": (b'{"e": "\xf0\x9f\x98"}\n', ["encoding"]),
    "key twice": (b'{"n": 1, "n": 2}\n', ["duplicate_key"]),
    "key twice, once escaped": (b'{"n": 1, "\\u006e": 2}\n', ["duplicate_key"]),
    "nested key twice": (b'{"s": {"x": 1, "x": 2}}\n', ["type"]),
    "not a number": (b'{"n": "x"}\n', ["type"]),
    "nan": (b'{"n": NaN}\n', ["type"]),
    "too large": (b'{"n": 9223372036854775808}\n', ["type"]),
    "object for a number": (b'{"n": {}}\n', ["type"]),
    "list for a number": (b'{"n": [1]}\n', ["type"]),
    "list for an object": (b'{"s": [1]}\n', ["type"]),
    "nested misfit": (b'{"s": {"x": "q"}}\n', ["type"]),
    "both misfits": (b'{"n": "p", "s": {"x": "q"}}\n', ["type type"]),
    "deep, not wanted": (b'{"z": ' + b"[" * DEEP + b"]" * DEEP + b"}\n", [""]),
    "deep, for a number": (b'{"n": ' + b"[" * DEEP + b"]" * DEEP + b"}\n", ["type"]),
    "deep and open": (b"[" * DEEP + b"\n" + GOOD + b"\n", ["json", ""]),
    "good between bad": (b"x\n" + GOOD + b"\ny\n" + GOOD + b"\nz", ["json", "", "json", "", "json"]),
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("chunk_bytes", [1, 2**20])
def test_awkward_lines(name: str, chunk_bytes: int) -> None:
    data, expected = AWKWARD[name]
    found = sort_out(data, replace(spec(n="BIGINT", s="STRUCT(x BIGINT)"), encoding="utf-8"), chunk_bytes, ["n", "s"])
    lines = [line for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip(b" \t\r")]
    assert found.records == len(lines) == len(expected)
    codes: dict[int, list[str]] = {}
    for reject in found.rejects:
        codes.setdefault(reject.offset, []).append(reject.code)
    assert [" ".join(each) for each in codes.values()] == [each for each in expected if each]
    assert len(found.rows) == expected.count("")


def test_what_is_said_of_bad_lines() -> None:
    data = b'{"n": "x"}\n{"n": 1\n[1]\n{"n": 1, "n": 2}\n{"n": "\xff"}\n{"s": 1}\n{"n": "\\ud800"}\n'
    found = sort_out(data, spec(n="BIGINT", s="STRUCT(x BIGINT)"))
    assert [(reject.line, reject.column, reject.message) for reject in found.rejects] == [
        (1, "n", '"x" is not a BIGINT'),
        (2, None, "is not JSON at its byte 8: Expecting ',' delimiter"),
        (3, None, "is a list, not an object"),
        (4, None, "has the key 'n' twice"),
        (5, None, "is not UTF-8 at its byte 8"),
        (6, "s", "is not a STRUCT(x BIGINT)"),
        (7, None, "is not JSON at its byte 14: no low surrogate in string"),
    ]


_pieces = st.sampled_from([
    b'{"n": 1}', b'{"n": "x"}', b'{"s": {"x": 1}}', b'{"s": 3}', b"[]", b"null", b"\n", b"\r\n", b"\r", b" ", b"\xff",
    b'"', b"{", b"}", b"\\", b"\0", b"\xef\xbb\xbf", b'{"n": 1, "n": 2}', b'{"s": {"x": [[[[1]]]]}}',
])  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=60) | st.lists(_pieces, max_size=20).map(b"".join), st.integers(1, 80), st.booleans())
def test_any_bytes_at_all(data: bytes, chunk_bytes: int, count_only: bool) -> None:
    declared = Spec(
        ["f"], {"n": "BIGINT", "s": "STRUCT(x BIGINT)"}, format="ndjson", encoding="utf-8", compression="none"
    )
    wanted = [] if count_only else ["n", "s"]
    try:
        found = sort_out(data, declared, chunk_bytes, wanted)
    except InputError as error:
        assert "UTF-16" in error.message or "CR alone" in error.message or " is " in error.message  # noqa: PT017 - no text
        return
    lines = [line for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip(b" \t\r")]
    assert found.records == len(lines)
    assert found.records == len(found.rows) + found.rejected
    whole = sort_out(data, declared, 2**20, wanted)
    assert found == whole


# -- streams ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_that_comes_as_a_stream(pack: Any) -> None:
    data = b"".join(b'{"id": %d, "v": [%d]}\n' % (i, i) for i in range(5000))
    packed = pack(data)
    intake = formats.intake("t", Spec([]), "up.ndjson", chunk_bytes=10_000)
    pieces = [p for at in range(0, len(packed), 999) for p in intake.feed(packed[at : at + 999])] + intake.end()
    assert b"".join(piece.data for piece in pieces) == data
    assert intake.columns == (Column("id", "BIGINT"), Column("v", "BIGINT[]"))
    new = intake.file()
    assert new is not None
    file = formats.unstored(new)
    types = {"id": "BIGINT", "v": "BIGINT[]"}
    tables = [formats.read(file, piece.chunk, types, ["id"], Held(piece.data)) for piece in pieces]
    assert [n for table in tables for n in table["id"].to_pylist()] == list(range(5000))
    assert all(piece.data.endswith(b"\n") for piece in pieces)


def test_a_packed_file_in_place(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson.gz").write_bytes(gzip.compress(b'{"id": 1}\n{"id": "x"}\n'))
    table = formats.resolve("t", Spec(["*.gz"], {"id": "INTEGER"}), tmp_path)
    file = formats.unstored(table.files[0])
    (piece,) = formats.pieces_of(file, 2**20)
    found = formats.sort_out(file, piece.chunk, {"id": "INTEGER"}, ["id"], Held(piece.data))
    assert (found.rows.num_rows, found.rejects["line"].to_pylist()) == (1, [2])
