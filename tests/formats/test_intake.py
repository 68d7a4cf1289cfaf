"""A file taken in as a stream gives the same chunks whatever its blocks, also when another process goes on with it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tolva import formats
from tolva.errors import InputError
from tolva.formats import Held, Intake, Piece
from tolva.jobs.prepare import Spec
from tolva.model import File, NewFile
from tolva.plan import Column

RECORDS = 700
LONG = "x" * 200
TEXT = "id,name\n" + "".join(f'{i},"näme\n{LONG}"\n' if i % 3 else f"{i},{LONG}\n" for i in range(RECORDS))
ENCODED = {
    "utf-8": TEXT.encode(),
    "utf-8 with a mark": ("\ufeff" + TEXT).encode(),
    "latin-1": TEXT.encode("latin-1"),
    "utf-16": TEXT.encode("utf-16"),
    "gzip": gzip.compress(TEXT.encode()),
}
CHUNK_BYTES = 10_000


def new(kind: str, state: dict[str, object] | None = None) -> Intake:
    spec = Spec([], encoding="latin-1" if kind == "latin-1" else None)
    return formats.intake("t", spec, "data.csv", chunk_bytes=CHUNK_BYTES, state=state)


def known(new: NewFile) -> File:
    return File(
        1, "j", "t", new.name, new.location, new.bytes, new.fingerprint, new.layout, new.first_byte, ended=False
    )


def rows(intake: Intake, pieces: Sequence[Piece]) -> list[dict[str, object]]:
    made = intake.file()
    assert made is not None
    assert intake.columns is not None
    file = File(1, "j", made.table, made.name, "", 0, "", made.layout, made.first_byte, ended=False)
    types = {column.name: column.type for column in intake.columns}
    at = made.first_byte
    found: list[dict[str, object]] = []
    for piece in pieces:
        assert (piece.chunk.offset, piece.chunk.length) == (at, len(piece.data))
        at += len(piece.data)
        found += formats.read(file, piece.chunk, types, list(types), Held(piece.data)).to_pylist()
    return found


EXPECTED = [{"id": i, "name": f"näme\n{LONG}" if i % 3 else LONG} for i in range(RECORDS)]


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(list(ENCODED)), st.lists(st.floats(0, 1), max_size=8))
def test_any_blocks_give_the_rows(kind: str, cuts: list[float]) -> None:
    data = ENCODED[kind]
    intake = new(kind)
    edges = [0, *sorted(int(cut * len(data)) for cut in cuts), len(data)]
    pieces = [piece for a, b in pairwise(edges) for piece in intake.feed(data[a:b])] + intake.end()
    assert rows(intake, pieces) == EXPECTED
    assert intake.columns == (Column("id", "BIGINT"), Column("name", "VARCHAR"))


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(list(ENCODED)), st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_another_process_goes_on(kind: str, cuts: list[float]) -> None:
    data = ENCODED[kind]
    intake, pieces = new(kind), []
    at = 0
    for cut in sorted(int(cut * len(data)) for cut in cuts):
        pieces += intake.feed(data[at:cut])
        state, tail = json.loads(json.dumps(intake.state())), intake.tail()
        intake, at = new(kind, state), state["resume_at"]
        assert at in (0, cut)
        pieces += intake.feed(tail) if tail else []
    pieces += intake.feed(data[at:]) + intake.end()
    assert rows(intake, pieces) == EXPECTED


def test_lines_are_counted_over_all_chunks() -> None:
    intake = new("utf-8")
    pieces = intake.feed(ENCODED["utf-8"]) + intake.end()
    data = ENCODED["utf-8"]
    assert len(pieces) > 5
    for piece in pieces:
        assert piece.chunk.traits["lines_before"] == data.count(b"\n", 0, piece.chunk.offset)
        assert piece.chunk.traits["lines"] == len(piece.data.splitlines())


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_lines_of_a_local_file_are_counted(end: bytes, tmp_path: Path) -> None:
    data = ENCODED["utf-8"].rstrip(b"\n") + end
    (tmp_path / "data.csv").write_bytes(data)
    (found,) = formats.resolve("t", Spec(["data.csv"]), tmp_path, number_lines=True).files
    chunks = list(formats.chunks_of(known(found), CHUNK_BYTES))
    assert len(chunks) > 5
    for chunk in chunks:
        assert chunk.traits["lines_before"] == data.count(b"\n", 0, chunk.offset)
        assert chunk.traits["lines"] == len(data[chunk.offset : chunk.offset + chunk.length].splitlines())


def test_a_second_file_must_have_the_same_columns() -> None:
    columns = (Column("id", "BIGINT"), Column("name", "VARCHAR"))

    def take(text: bytes) -> Intake:
        intake = formats.intake("t", Spec([]), "b.csv", columns=columns, chunk_bytes=100)
        intake.feed(text)
        intake.end()
        return intake

    assert take(b"name,id\nx,1\n").columns == columns
    assert take(b"").columns == columns
    with pytest.raises(InputError, match=r"b.csv has columns that its table hasn't: more"):
        take(b"id,name,more\n1,x,2\n")
    with pytest.raises(InputError, match=r"column name is declared, but b.csv has none"):
        take(b"id\n1\n")


def test_a_giant_record_is_named_with_its_line() -> None:
    intake = formats.intake("t", Spec([]), "big.csv", chunk_bytes=2**20)
    intake.feed(b"id,name\n" + b"1,x\n" * 20_000 + b'2,"open\n')
    with pytest.raises(InputError, match=r"^big.csv:20002: the record at byte 80008 is longer than"):
        intake.feed(b"3,y\n" * 2**22)


@pytest.mark.parametrize("kind", [kind for kind in ENCODED if not kind.startswith("utf-8")])
def test_a_local_file_is_gone_on_with_where_it_was_cut_last(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(ENCODED[kind])
    encoding = "latin-1" if kind == "latin-1" else None
    (found,) = formats.resolve("t", Spec([path.name], encoding=encoding), tmp_path).files
    file = known(found)
    whole = list(formats.pieces_of(file, CHUNK_BYTES))
    assert len(whole) > 3
    for i, piece in enumerate(whole):
        rest = list(formats.pieces_of(replace(file, cut_bytes=piece.chunk.offset), CHUNK_BYTES))
        assert b"".join(each.data for each in rest) == b"".join(each.data for each in whole[i:])
        assert rest[0].chunk.traits["lines_before"] == piece.chunk.traits["lines_before"]
