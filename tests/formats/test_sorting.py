"""Good records and bad ones apart: every record is one of them, and each bad one is named with its exact place."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from kit import REFUSED, Judge, sorted_chunks, texts_of
from reference import parse

from tolva.formats.delimited.casting import try_cast
from tolva.formats.delimited.dialect import Dialect
from tolva.formats.delimited.sorting import sort_out
from tolva.formats.reject import Reject

TYPES = {"a": "INTEGER", "b": "VARCHAR", "c": "DATE"}
DIRTY = (
    b'1,x,2024-01-01\n2,y\n3,"z\nz",2024-13-01\nq,\xe9,2024-01-01\n\n'
    b'5,e,2024-01-01,\n5,"e"e,2024-01-01\n"7",\xc3\xa9,\n8,\xff'
)
RECORDS = [
    # line, offset, raw, (column, code) of each reason
    (1, 0, b"1,x,2024-01-01", []),
    (2, 15, b"2,y", [(None, "field_count")]),
    (3, 19, b'3,"z\nz",2024-13-01', [("c", "type")]),
    (5, 38, b"q,\xe9,2024-01-01", [("b", "encoding"), ("a", "type")]),
    (7, 54, b"5,e,2024-01-01,", []),
    (8, 70, b'5,"e"e,2024-01-01', [("b", "text_after_quote")]),
    (9, 88, b'"7",\xc3\xa9,', []),
    (10, 96, b"8,\xff", [(None, "field_count")]),
]


def test_every_record_is_good_or_bad_and_has_its_place() -> None:
    for chunk_bytes in (*range(1, len(DIRTY), 7), 1000):
        found: list[tuple[int, int, bytes]] = []
        rejects: list[Reject] = []
        rows: list[dict[str, object]] = []
        records = 0
        for chunk in sorted_chunks(DIRTY, TYPES, chunk_bytes=chunk_bytes):
            records += chunk.sorted.records
            rejects += chunk.rejects
            rows += chunk.sorted.rows.to_pylist()
            found += chunk.places
        assert records == len(RECORDS)
        assert found == [record[:3] for record in RECORDS if not record[3]]
        assert [(r.line, r.offset, r.raw, r.column, r.code) for r in rejects] == [
            (*record[:3], *reason) for record in RECORDS for reason in record[3]
        ]
        assert [row["a"] for row in rows] == [1, 5, 7]
        assert [row["b"] for row in rows] == ["x", "e", "é"]


def test_a_border_at_every_byte_changes_nothing() -> None:
    types = dict.fromkeys(TYPES, "VARCHAR")
    expected = [record.place for record in parse(DIRTY, Dialect(), 3)]
    for chunk_bytes in range(1, len(DIRTY) + 1):
        chunks = list(sorted_chunks(DIRTY, types, chunk_bytes=chunk_bytes))
        places = {place for chunk in chunks for place in chunk.places}
        places |= {(reject.line, reject.offset, reject.raw) for chunk in chunks for reject in chunk.rejects}
        assert sorted(places) == expected


def test_cells_of_ten_megabytes() -> None:
    cell = b"long\n" * 2_000_000
    for bad in (b"x", b'"y"y'):
        data = b'1,a,\n2,"' + cell + b'",2024-01-01\n' + bad + b',"' + cell + b'",2024-01-01\n4,d,\n'
        (chunk,) = sorted_chunks(data, TYPES)
        assert chunk.sorted.records == 4
        assert chunk.sorted.rows["a"].to_pylist() == [1, 2, 4]
        assert chunk.sorted.rows["b"][1].as_py() == cell.decode()
        (reject,) = chunk.rejects
        assert (reject.line, reject.offset) == (2_000_003, data.index(bad + b',"'))
        assert reject.raw == bad + b',"' + cell + b'",2024-01-01'
        assert [line for line, _, _ in chunk.places] == [1, 2, 4_000_004]


def test_words_for_people() -> None:
    (chunk,) = sorted_chunks(b"x," + b"long" * 100 + b",2024-02-30\n1,b\n", TYPES)
    assert [reject.message for reject in chunk.rejects] == [
        "'x' is not an INTEGER",
        "'2024-02-30' is not a DATE",
        "has 2 fields, expected 3",
    ]


def test_records_are_counted_when_no_column_is_wanted() -> None:
    (chunk,) = sorted_chunks(DIRTY, TYPES, wanted=[])
    assert (chunk.sorted.records, chunk.sorted.rows.num_rows, chunk.sorted.rows.num_columns) == (8, 5, 0)
    assert {reject.code for reject in chunk.rejects} == {"field_count", "text_after_quote"}


DIALECTS = [
    Dialect(),
    Dialect("|", None),
    Dialect(";", "'", "\\"),
    Dialect("\t", '"', comment="#"),
    Dialect(",", None, comment="#"),
    Dialect(",", '"', "\\", "#"),
]
TOKENS = [
    ",",
    "|",
    ";",
    "\t",
    "\n",
    "\r\n",
    "\r",
    '"',
    "'",
    '""',
    '",',
    ',"',
    '"\n',
    "\\",
    "#",
    "\n#",
    " ",
    "1",
    "x,2\n",
    "é",
]
AWKWARD = st.lists(
    st.sampled_from([token.encode() for token in TOKENS] + [b"\xff", b"\0", "\ufeff".encode()]), max_size=30
)
judge = Judge()


@settings(deadline=None, max_examples=int(os.environ.get("TOLVA_EXAMPLES", "300")))
@given(
    data=AWKWARD.map(b"".join) | st.binary(max_size=40),
    dialect=st.sampled_from(DIALECTS),
    width=st.integers(1, 3),
    chunk_bytes=st.integers(1, 60),
)
def test_any_bytes_are_sorted_as_an_independent_parser_sorts_them(
    data: bytes, dialect: Dialect, width: int, chunk_bytes: int
) -> None:
    types = {"a": "VARCHAR", "b": "INTEGER", "c": "VARCHAR"}
    types = {name: types[name] for name in list(types)[:width]}
    chunks = list(sorted_chunks(data, types, dialect=dialect, chunk_bytes=chunk_bytes))
    good, bad = [], []
    for record in parse(data, dialect, width):
        reasons = [record.fault] if record.fault else [*reasons_of(record.fields[:width])]
        bad += [(*record.place, reason) for reason in reasons]
        if not reasons:
            good.append((record.place, [value.decode() or None for value in record.fields[:width]]))
    assert [place for chunk in chunks for place in chunk.places] == [place for place, _ in good]
    assert [(r.line, r.offset, r.raw, r.code) for chunk in chunks for r in chunk.rejects] == bad
    rows = [row for chunk in chunks for row in judge.rows(chunk.sorted.rows)]
    assert rows == [tuple(judged(values)) for _, values in good]
    rejected = {place[:3] for place in bad}
    assert sum(chunk.sorted.records for chunk in chunks) == len(rows) + len(rejected)


HOPED = {"a": "INTEGER", "b": "BOOLEAN", "c": "DECIMAL(6,2)", "d": "TIMESTAMP"}
FIELDS = [
    ["1", "-7", "0x1F", "-0x1F", "12\t", " 3", "4 ", "0xFFFFFFFF", "3000000000", "1e3", "x"],
    ["true", "TRUE", "no", "1", "y", "tRuE", "x"],
    ["1.50", "10e-1", "-.5", "9999.999", "1e400", "12345", "x"],
    ["2024-01-01 07", "2024-01-01", "2024-01-01 07:08:09.5", "2024-01-01T07:08:09Z", "24-1-1", "x"],
]


@settings(deadline=None, max_examples=int(os.environ.get("TOLVA_EXAMPLES", "50")))
@given(
    lines=st.lists(
        st.tuples(*(st.sampled_from(["", *texts]) for texts in FIELDS)).map(",".join).map(str.encode)
        | st.sampled_from([b"1,true,1.5,2024-01-01", b"", b"1,2", b"1,true,\xff,", b'"1",no,"2",""']),
        max_size=5,
    ),
    chunk_bytes=st.integers(1, 120),
)
def test_hopes_change_no_record_and_no_value(lines: list[bytes], chunk_bytes: int) -> None:
    types = dict.fromkeys(HOPED, "VARCHAR")
    for text in texts_of(b"\n".join(lines), types, Dialect(), chunk_bytes):
        plain, hopeful = sort_out(text, types, list(types)), sort_out(text, types, list(types), HOPED)
        assert hopeful.rejects.equals(plain.rejects)
        assert hopeful.records == plain.records
        rows = range(plain.rows.num_rows)
        assert hopeful.places(rows).equals(plain.places(rows))
        for name, kind in HOPED.items():
            column, as_text = hopeful.rows[name], plain.rows[name]
            if column.type != as_text.type:
                as_text = try_cast(pa.table({name: as_text}), {name: kind})[name]
                assert as_text.null_count == plain.rows[name].null_count
            assert column.to_pylist() == as_text.to_pylist()


def reasons_of(fields: list[bytes]) -> Iterator[str]:
    broken = [not is_utf8(value) for value in fields]
    yield from ["encoding"] * sum(broken)
    if len(fields) > 1 and not broken[1] and integer(fields[1].decode() or None) == REFUSED:
        yield "type"


def is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def judged(values: list[str | None]) -> list[str | None]:
    return [integer(value) if i == 1 else value for i, value in enumerate(values)]


@cache
def integer(text: str | None) -> str | None:
    return judge.meaning([text or ""], "INTEGER")[0]
