"""Hundreds of awkward files: nothing is lost, and every bad record is named with its exact place and bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from corpus import Awkward, corpus
from kit import REFUSED, Judge
from reference import Record, parse

from tolva import formats
from tolva.formats import Held
from tolva.formats.reject import Sorted, listed
from tolva.jobs.prepare import Spec
from tolva.model import Chunk, File, NewFile

CORPUS = corpus()
judge = Judge()


def test_there_are_many() -> None:
    assert len({awkward.name for awkward in CORPUS}) == len(CORPUS) >= 300


@pytest.mark.parametrize("awkward", CORPUS, ids=lambda awkward: awkward.name)
def test_every_record_is_good_or_named(awkward: Awkward, tmp_path: Path) -> None:
    new = opened(awkward, tmp_path)
    header = list(awkward.types)
    dialect = awkward.dialect
    found = parse(awkward.text, dialect, len(header), new.first_byte)
    expected = list(judged(found, awkward.types))
    for chunk_bytes in awkward.chunk_bytes:
        places: list[tuple[int, int, bytes]] = []
        rejects: list[tuple[Any, ...]] = []
        records = 0
        tables: list[pa.Table] = []
        for done in sorted_chunks(new, awkward, chunk_bytes):
            records += done.records
            places += [tuple(place.values()) for place in done.places(range(done.rows.num_rows)).to_pylist()]
            rejects += [(r.line, r.offset, r.raw, r.column, r.code) for r in listed(new.name, done.rejects)]
            tables.append(done.rows)
        rows = judge.rows(pa.concat_tables(tables)) if tables else []
        assert records == len(found)
        assert len(rows) + len({reject[:3] for reject in rejects}) == records
        assert places == [record.place for record, reasons, _ in expected if not reasons]
        assert rejects == [(*record.place, *reason) for record, reasons, _ in expected for reason in reasons]
        assert rows == [values for _, reasons, values in expected if not reasons]
        for line, offset, raw, *_ in (*places, *rejects):
            assert awkward.text[offset : offset + len(raw)] == raw
            assert awkward.text.count(b"\n", 0, offset) + 1 == line


def opened(awkward: Awkward, folder: Path) -> NewFile:
    path = folder / f"awkward{awkward.suffix}"
    path.write_bytes(awkward.encode(awkward.text))
    dialect = awkward.dialect
    told = {
        "delimiter": dialect.delimiter,
        "quote": dialect.quote or "",
        "escape": dialect.escape,
        "comment": dialect.comment,
        "header": dialect.header,
    }
    table = formats.resolve("t", Spec([path.name], dict(awkward.types), **(told | awkward.declared)), folder)
    assert [(column.name, column.type) for column in table.columns] == list(awkward.types.items())
    return table.files[0]


def sorted_chunks(new: NewFile, awkward: Awkward, chunk_bytes: int) -> Iterator[Sorted]:
    file = File(1, "j", "t", new.name, new.location, new.bytes, new.fingerprint, new.layout, new.first_byte, False)
    for chunk, held in chunks(file, chunk_bytes):
        yield formats.sort_out(file, chunk, awkward.types, list(awkward.types), held)


def chunks(file: File, chunk_bytes: int) -> Iterator[tuple[Chunk, Held | None]]:
    if formats.must_be_decoded(file):
        yield from ((piece.chunk, Held(piece.data)) for piece in formats.pieces_of(file, chunk_bytes))
    else:
        yield from ((chunk, None) for chunk in formats.chunks_of(file, chunk_bytes))


def judged(
    found: list[Record], types: dict[str, str]
) -> Iterator[tuple[Record, list[tuple[str | None, str]], tuple[str | None, ...]]]:
    """Say of each record what is wrong with it, and its values, by DuckDB's opinion."""
    names = list(types)
    shaped = [record for record in found if not record.fault]
    for kind in set(types.values()):
        judge.meaning([text.decode(errors="replace") for record in shaped for text in record.fields], kind)
    columns = [
        judge.meaning([record.fields[i].decode(errors="replace") for record in shaped], kind)
        for i, kind in enumerate(types.values())
    ]
    rows = iter(zip(*columns, strict=True))
    for record in found:
        if record.fault:
            at_fault = record.at_fault
            column = names[at_fault] if at_fault is not None and at_fault < len(names) else None
            yield record, [(column, record.fault)], ()
            continue
        row = next(rows)
        broken = [name for name, text in zip(names, record.fields, strict=False) if not is_utf8(text)]
        wrong = [name for name, value in zip(names, row, strict=True) if value == REFUSED and name not in broken]
        yield record, [(name, "encoding") for name in broken] + [(name, "type") for name in wrong], row


def is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
