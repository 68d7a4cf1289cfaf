"""Fields at fixed places: values by a plain slice of the line, and every misshapen record found, with its place."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lines_kit import file_of, sort_out

from tolva import formats
from tolva.errors import DocumentError, InputError, RecordError
from tolva.formats.stored import Held
from tolva.jobs.documents import validate
from tolva.jobs.prepare import Spec
from tolva.plan import Column

EXAMPLES = int(os.environ.get("TOLVA_FUZZ", "80"))
CLOSED = {"id": "1-3", "name": "4-8"}
OPEN = {"id": "1-3", "name": "4-"}


def spec(positions: dict[str, str], unit: str = "characters", **columns: str) -> Spec:
    declared = columns or {"id": "INTEGER", "name": "VARCHAR"}
    return Spec(["f"], declared, format="fixed_width", encoding="utf-8", positions=positions, unit=unit)


# what comes of each record: its values, or the codes of its rejects
AWKWARD: dict[str, tuple[bytes, dict[str, str], str, list[object]]] = {
    "one": (b"  1ab   \n", CLOSED, "characters", [(1, "ab")]),
    "no final newline": (b"  1ab   ", CLOSED, "characters", [(1, "ab")]),
    "crlf": (b"  1ab   \r\n002cdefg\r\n", CLOSED, "characters", [(1, "ab"), (2, "cdefg")]),
    "mixed line ends": (b"  1ab   \r\n  2ab   \n", CLOSED, "characters", [(1, "ab"), (2, "ab")]),
    "cr as a character": (b"  1a\rb  \n", CLOSED, "characters", [(1, "a\rb")]),
    "cr of one too many": (b"  1ab   \r\r\n", CLOSED, "characters", ["long"]),
    "nothing": (b"", CLOSED, "characters", []),
    "empty lines": (b"\n  1ab   \n\n\r\n", CLOSED, "characters", [(1, "ab")]),
    "all spaces": (b"        \n", CLOSED, "characters", [(None, None)]),
    "spaces, too few": (b"   \n", CLOSED, "characters", ["short"]),
    "bom": (b"\xef\xbb\xbf  1ab   \n", CLOSED, "characters", [(1, "ab")]),
    "short": (b"  1ab\n  2ab   \n", CLOSED, "characters", ["short", (2, "ab")]),
    "short by one": (b"  1ab  \n", CLOSED, "characters", ["short"]),
    "short at the end": (b"  1ab   \n  2", CLOSED, "characters", [(1, "ab"), "short"]),
    "long": (b"  1ab    \n", CLOSED, "characters", ["long"]),
    "long by a space": (b"  1abcde \n", CLOSED, "characters", ["long"]),
    "very long": (b"  1" + b"x" * 100_000 + b"\n  2ab   \n", CLOSED, "characters", ["long", (2, "ab")]),
    "not a number": (b" x1ab   \n", CLOSED, "characters", ["type"]),
    "number with a comma": (b"1,2ab   \n", CLOSED, "characters", ["type"]),
    "signs": (b" -1ab   \n +1ab   \n", CLOSED, "characters", [(-1, "ab"), (1, "ab")]),
    "leading zeros": (b"007ab   \n", CLOSED, "characters", [(7, "ab")]),
    "tab is no space": (b"  1\tab  \n", CLOSED, "characters", [(1, "\tab")]),
    "inner spaces": (b"  1a b c\n", CLOSED, "characters", [(1, "a b c")]),
    "quotes mean nothing": (b'  1"a\n"c\n', CLOSED, "characters", ["short", "short"]),
    "delimiters mean nothing": (b"  1a,b|c\n", CLOSED, "characters", [(1, "a,b|c")]),
    "nul": (b"  1a\0   \n", CLOSED, "characters", [(1, "a\0")]),
    "characters": ("  1ñandú\n".encode(), CLOSED, "characters", [(1, "ñandú")]),
    "emoji": ("  1\U0001f600abcd\n".encode(), CLOSED, "characters", [(1, "\U0001f600abcd")]),
    "wide space": ("  1a\u3000\u00a0  \n".encode(), CLOSED, "characters", [(1, "a\u3000\u00a0")]),
    "no text": (b"  1a\xff   \n", CLOSED, "characters", ["encoding"]),
    "no text, and short": (b"  1\xff\n", CLOSED, "characters", ["encoding"]),
    "bytes": ("  1ñab  \n  2ñab \n".encode(), CLOSED, "bytes", ["long", (2, "ñab")]),
    "bytes that cut a character": (
        "  1abcdñ\n  2abc ñ\n".encode(),
        {"id": "1-3", "name": "4-8", "_": "9-9"},
        "bytes",
        ["encoding", "encoding"],
    ),
    "bytes that are no text": (b"\xff 1ab   \n", CLOSED, "bytes", ["encoding"]),
    "open": (b"  1\n  2a\n  3abcdefghijk  \n", OPEN, "characters", [(1, None), (2, "a"), (3, "abcdefghijk")]),
    "open, short": (b"  \n", OPEN, "characters", ["short"]),
    "one place": (b"7x\n", {"id": "1", "name": "2"}, "characters", [(7, "x")]),
    "gaps": (b"7--xx--\n", {"id": "1", "name": "4-5", "_": "7"}, "characters", [(7, "xx")]),
    "overlapping": (b"123ab\n", {"id": "1-3", "name": "2-5"}, "characters", [(123, "23ab")]),
    "in another order": (b"ab  12\n", {"id": "4-6", "name": "1-3"}, "characters", [(12, "ab")]),
    "last line without cr": (b"  1ab   \r\n  2ab   ", CLOSED, "characters", [(1, "ab"), (2, "ab")]),
    "good between bad": (b"x\n  1ab   \ny\n", CLOSED, "characters", ["short", (1, "ab"), "short"]),
}


@pytest.mark.parametrize("name", AWKWARD)
@pytest.mark.parametrize("chunk_bytes", [1, 2**20])
def test_awkward_records(name: str, chunk_bytes: int) -> None:
    data, positions, unit, expected = AWKWARD[name]
    found = sort_out(data, spec(positions, unit), chunk_bytes, ["id", "name"])
    lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    assert found.records == len([line for line in lines if line.removesuffix(b"\r")]) == len(expected)
    assert [(row["id"], row["name"]) for row in found.rows] == [each for each in expected if isinstance(each, tuple)]
    assert [reject.code for reject in found.rejects] == [each for each in expected if isinstance(each, str)]


def test_what_is_said_of_bad_records(tmp_path: Path) -> None:
    data = b"  1ab\n  1abcdef\n xyab   \n  1a\xff   \n  2ab   \n"
    found = sort_out(data, spec(CLOSED))
    assert [(reject.line, reject.column, reject.message) for reject in found.rejects] == [
        (1, None, "has 5 characters, expected 8"),
        (2, None, "has 9 characters, expected 8"),
        (3, "id", "'xy' is not an INTEGER"),
        (4, None, "is not UTF-8 at its byte 5"),
    ]
    file, types = file_of(data, spec(CLOSED), tmp_path)
    (chunk,) = formats.chunks_of(file, 2**20)
    with pytest.raises(RecordError, match=r"^f:1: the record has 5 characters, expected 8; mend the record, or"):
        formats.read(file, chunk, types, [])
    assert found.rows == [{"id": 2, "name": "ab"}]


_pieces = st.sampled_from(["  1", "abcde", "ñ", "\n", "\r\n", "\r", " ", "x", "12", "\ufeff", "\0"]).map(str.encode)
_bytes = st.binary(max_size=60) | st.lists(_pieces | st.just(b"\xff"), max_size=25).map(b"".join)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(_bytes, st.integers(1, 80), st.sampled_from([CLOSED, OPEN]), st.sampled_from(["characters", "bytes"]))
def test_any_bytes_at_all(data: bytes, chunk_bytes: int, positions: dict[str, str], unit: str) -> None:
    declared = replace(spec(positions, unit), compression="none")
    try:
        found = sort_out(data, declared, chunk_bytes, ["id", "name"])
    except InputError as error:
        assert "CR alone" in error.message or " is " in error.message  # noqa: PT017 - it is no text at all
        return
    lines = [line.removesuffix(b"\r") for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    values = [value for line in lines if line and (value := plain(line, positions is OPEN, unit)) is not None]
    assert found.rows == values
    assert found.records == len([line for line in lines if line]) == len(found.rows) + found.rejected


def plain(line: bytes, is_open: bool, unit: str) -> dict[str, object] | None:
    """Return a record's values by Python alone; None when it is bad."""
    try:
        whole = line if unit == "bytes" else line.decode()
        if len(whole) < (3 if is_open else 8) or (not is_open and len(whole) > 8):
            return None
        parts = [part if isinstance(part, str) else part.decode() for part in (whole[:3], whole[3:])]
    except UnicodeDecodeError:
        return None
    number, name = (part.strip(" ") or None for part in parts)
    if number is None:
        return {"id": None, "name": name}
    digits = number.strip(" \t\r\v\f").removeprefix("+").removeprefix("-")
    return {"id": int(number), "name": name} if digits.isascii() and digits.isdecimal() else None


def test_types_are_found_out_and_declared_ones_win(tmp_path: Path) -> None:
    data = b"0011.52024-01-31x\n0022.52024-02-01y\n"
    positions = {"code": "1-3", "amount": "4-6", "day": "7-16", "rest": "17"}
    _, types = file_of(data, Spec(["f"], {"amount": "decimal(9,2)"}, positions=positions), tmp_path)
    assert types == {"code": "VARCHAR", "amount": "DECIMAL(9,2)", "day": "DATE", "rest": "VARCHAR"}


@pytest.mark.parametrize("place", ["", "0-3", "3-1", "x", "1-2-3", "-4", "1,5"])
def test_places_that_can_not_be(tmp_path: Path, place: str) -> None:
    with pytest.raises(DocumentError, match=r"^the field id can't be at '.*': write 1-8 for the first eight places"):
        file_of(b"x\n", spec({"id": place}, id="VARCHAR"), tmp_path)


def test_documents_that_can_not_be(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r"^table t: a fixed-width file doesn't tell where its fields are; write"):
        file_of(b"x\n", Spec(["f"], format="fixed_width"), tmp_path)
    with pytest.raises(DocumentError, match=r"^column nme has no position; did you mean name\?"):
        file_of(b"x\n", spec(CLOSED, nme="VARCHAR"), tmp_path)
    with pytest.raises(DocumentError, match=r"^table t: in utf-16, write the positions in characters"):
        file_of(b"x\n", replace(spec(CLOSED, "bytes"), encoding="utf-16"), tmp_path)


def test_positions_in_a_document() -> None:
    table = {"files": "f", "positions": {"id": "1-3", "one": 4}, "unit": "bytes"}
    made = validate({"kind": "query", "tables": {"t": table}, "queries": {"q": "SELECT 1"}}, "here")
    assert made.model_dump()["tables"]["t"]["positions"] == {"id": "1-3", "one": "4"}


def test_latin_1_counts_its_own_bytes(tmp_path: Path) -> None:
    positions = {"name": "1-5", "id": "6-8"}
    declared = Spec(["f"], {"id": "INTEGER"}, encoding="latin-1", positions=positions, unit="bytes")
    (tmp_path / "f").write_bytes("ñandú  7\n".encode("latin-1"))
    table = formats.resolve("t", declared, tmp_path)
    file = formats.unstored(table.files[0])
    (piece,) = formats.pieces_of(file, 2**20)
    types = {column.name: column.type for column in table.columns}
    assert formats.read(file, piece.chunk, types, list(types), Held(piece.data)).to_pylist() == [
        {"name": "ñandú", "id": 7}
    ]


def test_a_file_that_comes_as_a_stream() -> None:
    data = b"".join(b"%5d%5d\n" % (i, i) for i in range(5000))
    intake = formats.intake("t", Spec([], positions={"a": "1-5", "b": "6-10"}), "up.txt", chunk_bytes=10_000)
    pieces = [p for at in range(0, len(data), 999) for p in intake.feed(data[at : at + 999])] + intake.end()
    assert b"".join(piece.data for piece in pieces) == data
    assert intake.columns == (Column("a", "BIGINT"), Column("b", "BIGINT"))
    file = formats.unstored(intake.file())  # type: ignore[arg-type]
    tables = [formats.read(file, p.chunk, {"b": "BIGINT"}, ["b"], Held(p.data)) for p in pieces]
    assert [n for table in tables for n in table["b"].to_pylist()] == list(range(5000))
