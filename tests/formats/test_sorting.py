"""Good records and bad ones apart: every record is one of them, and each bad one is named with its exact place."""

from __future__ import annotations

from kit import sorted_chunks

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
