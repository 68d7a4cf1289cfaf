"""Cutting and reading gives DuckDB's rows, and a bad record is named with its place."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import Judge, count_text, read_chunks, read_text, texts_of

from tolva.errors import RecordError
from tolva.formats.delimited import fast
from tolva.formats.delimited.dialect import Dialect

judge = Judge()

WORDS = st.text(st.sampled_from("ab,;|\"'\n\r \\é\ufeff"), max_size=8)
NUMBERS = st.integers(-(2**31), 2**31 - 1).map(str) | st.just("")
AMOUNTS = st.decimals(-(10**9), 10**9, places=3).map(str) | st.just("")
DAYS = st.dates().map(str) | st.just("")
MOMENTS = st.datetimes().map(str) | st.just("")
RECORDS = st.lists(st.tuples(WORDS, NUMBERS, AMOUNTS, MOMENTS, DAYS, WORDS), max_size=12)
TYPES = {"w": "VARCHAR", "i": "INTEGER", "d": "DECIMAL(18,3)", "t": "TIMESTAMP", "day": "DATE", "x": "VARCHAR"}


def written(records: list[tuple[str, ...]], dialect: Dialect, quote_all: bool, line_end: str) -> bytes:
    def field(text: str) -> str:
        if not (quote_all or any(c in text for c in ('"', "\n", "\r", dialect.delimiter))):
            return text
        if dialect.escape:
            text = text.replace(dialect.escape, dialect.escape * 2)
        return '"' + text.replace('"', (dialect.escape or '"') + '"') + '"'

    return line_end.join(dialect.delimiter.join(map(field, record)) for record in records).encode()


def duckdb_rows(path: Path, types: dict[str, str], dialect: Dialect) -> list[tuple[str | None, ...]]:
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in types.items())
    quote, escape = dialect.quote, dialect.escape or dialect.quote
    return judge.query(
        f"""FROM read_csv('{path}', auto_detect = false, header = false, columns = {{{columns}}},
            delim = '{dialect.delimiter}', quote = '{quote}', escape = '{escape}')"""
    )


@settings(deadline=None, max_examples=60)
@given(
    records=RECORDS,
    delimiter=st.sampled_from(",;|\t"),
    escape=st.sampled_from([None, "\\"]),
    quote_all=st.booleans(),
    line_end=st.sampled_from(["\n", "\r\n"]),
    chunk_bytes=st.integers(1, 400),
    last_line_end=st.booleans(),
)
def test_written_tables_are_read_as_duckdb_reads_them(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[str, ...]],
    delimiter: str,
    escape: str | None,
    quote_all: bool,
    line_end: str,
    chunk_bytes: int,
    last_line_end: bool,
) -> None:
    dialect = Dialect(delimiter, '"', escape)
    data = written(records, dialect, quote_all, line_end) + line_end.encode() * (last_line_end and bool(records))
    if not data or data.startswith("\ufeff".encode()):
        return  # a byte order mark at the start of a file is no text
    texts = read_text(data, dict.fromkeys(TYPES, "VARCHAR"), dialect=dialect, chunk_bytes=chunk_bytes)
    assert judge.rows(texts) == [tuple(field or None for field in record) for record in records]
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(data)
    try:
        expected = duckdb_rows(path, TYPES, dialect)
    except duckdb.InvalidInputException:
        return  # DuckDB mistakes some quoted CR for line ends
    assert judge.rows(read_text(data, TYPES, dialect=dialect, chunk_bytes=chunk_bytes)) == expected
    assert count_text(data, TYPES, dialect=dialect, chunk_bytes=chunk_bytes) == len(records)


ODD = st.lists(st.sampled_from(['"', '""', '" ', ' "', ",", "\n", "a", " ", "b\n", '",', ',"']), max_size=14).map(
    "".join
)


@settings(deadline=None, max_examples=300)
@given(ODD, st.integers(1, 30))
def test_oddly_quoted_text_is_read_as_duckdb_reads_it_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str, chunk_bytes: int
) -> None:
    data = f"{text}\n".encode()
    types = {"a": "VARCHAR", "b": "VARCHAR"}
    path = tmp_path_factory.getbasetemp() / "odd.csv"
    path.write_bytes(data)
    try:
        expected = duckdb_rows(path, types, Dialect())
    except duckdb.InvalidInputException:
        return
    try:
        table = read_text(data, types, chunk_bytes=chunk_bytes)
    except RecordError:
        return
    assert judge.rows(table) == expected


@pytest.mark.parametrize("text", ["\n\n", "1\n\n2\n", "\n1", "1\r\n\r\n2\r\n", '""\n1\n'])
def test_an_empty_line_is_a_record_only_where_a_record_is_one_field(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode())
    for types in ({"a": "INTEGER"}, {"a": "INTEGER", "b": "VARCHAR"}):
        data = (
            text.encode().replace(b"1", b"1,x").replace(b"2", b"2,y").replace(b'""', b'"",')
            if len(types) == 2
            else text.encode()
        )
        path.write_bytes(data)
        for chunk_bytes in (1, 1000):
            table = read_text(data, types, chunk_bytes=chunk_bytes)
            assert judge.rows(table) == duckdb_rows(path, types, Dialect())
            assert count_text(data, types, chunk_bytes=chunk_bytes) == table.num_rows


def test_only_wanted_columns_are_read_in_the_order_wanted() -> None:
    table = read_text(b"1,x,2.5\n2,y,oops\n", {"a": "INTEGER", "b": "VARCHAR", "c": "DOUBLE"}, ["b", "a"])
    assert table.to_pydict() == {"b": ["x", "y"], "a": [1, 2]}


def test_a_table_of_no_columns_keeps_its_row_count() -> None:
    for data in (b"1,x\n2,y\n3,z", b'1,"x\ny"\n2,y\n3,"a,b"\n', b"1,x\r\n2,y\r\n3,z\r\n", b"\n1,x\n\n\n2,y\n3,z\n\n"):
        assert count_text(data, {"a": "INTEGER", "b": "VARCHAR"}) == 3


ITEMS = {"id": "INTEGER", "name": "VARCHAR", "amount": "DECIMAL(18,3)"}
MIXED = b'1,"two\nlines",1.5\n2,"x",2\n'


@pytest.mark.parametrize(
    ("bad", "words", "facts"),
    [
        (b"3,y,12x\n", "column amount: '12x' is not a DECIMAL(18,3); mend the record or declare the column as VARCHAR",
         {"reason": "type", "column": "amount", "value": "12x", "type": "DECIMAL(18,3)"}),
        (b"z,y,1\n", "column id: 'z' is not an INTEGER", {"reason": "type", "column": "id"}),
        (b'"z",y,1\n', "column id: 'z' is not an INTEGER", {"reason": "type", "column": "id"}),
        (b"3,y\n", "has 2 fields, expected 3", {"reason": "field_count", "column": None}),
        (b"3,y,1,2,3\n", "has 5 fields, expected 3", {"reason": "field_count", "column": None}),
        (b"3,y,1,z\n", "has 4 fields, expected 3", {"reason": "field_count", "column": None}),
        (b"3,\xe9t\xe9,1\n", "column name is not UTF-8 at its byte 1", {"reason": "encoding", "column": "name"}),
        (b'3,"y"z,1\n', "column name has 'z' after a closing quote", {"reason": "text_after_quote", "column": "name"}),
        (b"3,y\ry,1\n", "column name has a carriage return", {"reason": "carriage_return", "column": "name"}),
    ],
)  # fmt: skip
def test_a_bad_record_is_named_with_its_place(bad: bytes, words: str, facts: dict[str, str | None]) -> None:
    good = MIXED * 3
    for chunk_bytes in (1, 40, 10_000):
        with pytest.raises(RecordError) as caught:
            read_text(good + bad + good, ITEMS, chunk_bytes=chunk_bytes)
        error = caught.value
        assert error.message.startswith(f"data.csv:10: {words}")
        assert {"file": "data.csv", "line": 10, "byte_offset": len(good), **facts}.items() <= error.data.items()


def test_a_quote_never_closed_is_named_with_its_place() -> None:
    data = b"1,a,1\n\n" + b'2,"b,1\n' + b"3,c,1\n" * 5
    with pytest.raises(RecordError, match=r"^data.csv:3: column name opens a quote that is never closed") as caught:
        read_text(data, ITEMS, chunk_bytes=10)
    assert caught.value.data["reason"] == "unterminated_quote"


def test_the_first_bad_record_is_the_one_named() -> None:
    with pytest.raises(RecordError, match=r"^data.csv:2: column amount: 'x'"):
        read_text(b"1,a,1\n2,b,x\n3,c\n4,d,y\n", ITEMS)
    with pytest.raises(RecordError, match=r"^data.csv:2: has 2 fields, expected 3; mend the record$"):
        read_text(b"1,a,1\n3,c\n2,b,x\n", ITEMS)
    with pytest.raises(RecordError, match=r"^data.csv:2: column id"):
        read_text(b"1,a,1\nx,b,y\n", ITEMS)


def test_a_record_of_nothing_but_one_delimiter_too_many_is_forgiven() -> None:
    assert read_text(b'1,a,1,\n2,b,2,""\n', ITEMS).num_rows == 2


def test_an_extra_delimiter_in_every_record_costs_nothing() -> None:
    data = b"".join(b"%d,x,1.5,\n" % i for i in range(1000))
    (text,) = texts_of(data, ITEMS, Dialect(), 1 << 30)
    table = fast.read(text, ITEMS)
    assert table is not None
    assert table.equals(read_text(data, ITEMS))
    assert fast.count(text) == 1000
    (text,) = texts_of(data + b"1000,x,1.5,y\n", ITEMS, Dialect(), 1 << 30)
    assert fast.read(text, ITEMS) is None


def test_a_fault_in_a_column_nobody_wants_is_no_fault() -> None:
    data = b"1,\xe9,x\n2,b,y\n"
    assert read_text(data, ITEMS, ["id"]).to_pydict() == {"id": [1, 2]}
    assert count_text(data, ITEMS) == 2


def test_a_byte_order_mark_inside_a_file_is_text() -> None:
    data = "1,a\n\ufeff2,b\n".encode()
    assert read_text(data, {"a": "VARCHAR", "b": "VARCHAR"}, chunk_bytes=4)["a"].to_pylist() == ["1", "\ufeff2"]


def test_an_odd_record_among_many_spoils_nothing(tmp_path: Path) -> None:
    many = b"".join(b'%d,"some ""text"" here",%d.5\n' % (i, i) for i in range(10_000))
    data = many + b'7, "spaced" ,8\n' + many
    path = tmp_path / "data.csv"
    path.write_bytes(data)
    assert judge.rows(read_text(data, ITEMS)) == duckdb_rows(path, ITEMS, Dialect())
    assert count_text(data, ITEMS) == 20_001


def test_an_error_far_into_a_chunk_has_its_place() -> None:
    many = b"".join(b'%d,"two\nlines",%d.5\n' % (i, i) for i in range(10_000))
    for wanted in (list(ITEMS), []):
        with pytest.raises(RecordError, match=r"^data.csv:20001: has 2 fields, expected 3") as caught:
            list(read_chunks(many + b"7,x\n" + many, ITEMS, wanted, Dialect(), 1 << 30))
        assert caught.value.data["byte_offset"] == len(many)


def test_a_record_longer_than_the_parsers_block() -> None:
    data = b"1,a,1\n2," + b"b" * 3_000_000 + b",2\n3,c,3\n"
    assert read_text(data, ITEMS)["id"].to_pylist() == [1, 2, 3]
    quoted = b'1,a,1\n2,"' + b"b\n" * 1_500_000 + b'",2\n3,c,3\n'
    assert read_text(quoted, ITEMS)["id"].to_pylist() == [1, 2, 3]
    assert count_text(quoted, ITEMS) == 3
