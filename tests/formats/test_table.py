"""Files become a table: found, understood, checked against each other, cut and read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kit import Judge

from tolva import formats
from tolva.errors import DocumentError, InputError, RecordError
from tolva.formats import InputTable
from tolva.jobs.prepare import Spec
from tolva.model import File
from tolva.plan import Column

judge = Judge()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.csv").write_text("id,name\n1,x\n2,y\n")
    (tmp_path / "b.csv").write_text("name,id\nz,3\n")
    return tmp_path


def stored(table: InputTable) -> list[File]:
    return [
        File(i, "job", f.table, f.name, f.location, f.bytes, f.fingerprint, f.layout, f.first_byte, ended=False)
        for i, f in enumerate(table.files)
    ]


def rows(table: InputTable, chunk_bytes: int = 1000) -> list[tuple[str | None, ...]]:
    types = {column.name: column.type for column in table.columns}
    return [
        row
        for file in stored(table)
        for chunk in formats.chunks_of(file, chunk_bytes)
        for row in judge.rows(formats.read(file, chunk, types, list(types)))
    ]


def write(folder: Path, text: str | bytes, name: str = "t.csv") -> Spec:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return Spec([name])


def test_files_may_order_their_columns_differently(folder: Path) -> None:
    table = formats.resolve("t", Spec(["*.csv"]), folder)
    assert table.columns == (Column("id", "BIGINT"), Column("name", "VARCHAR"))
    assert [file.name for file in table.files] == ["a.csv", "b.csv"]
    assert rows(table) == [("1", "x"), ("2", "y"), ("3", "z")]


def test_declared_types_win_and_the_rest_is_inferred(folder: Path) -> None:
    table = formats.resolve("t", Spec(["*.csv"], {"id": "int4"}), folder)
    assert table.columns == (Column("id", "INTEGER"), Column("name", "VARCHAR"))


def test_cutting_goes_on_where_it_was_left(folder: Path) -> None:
    (folder / "a.csv").write_text("id,name\n" + "".join(f"{i},n{i}\n" for i in range(1000)))
    (file,) = stored(formats.resolve("t", Spec(["a.csv"]), folder))
    whole = list(formats.chunks_of(file, 500))
    assert whole[0].offset == len("id,name\n")
    left = File(**{**{f: getattr(file, f) for f in File.__slots__}, "cut_bytes": whole[3].offset})
    assert sum(chunk.length for chunk in formats.chunks_of(left, 500)) == file.bytes - whole[3].offset


@pytest.mark.parametrize(
    ("text", "spec", "columns", "records"),
    [
        ("a,b\n1,x\n", {}, "a BIGINT, b VARCHAR", [("1", "x")]),
        ("\ufeffa,b\n1,x\n", {}, "a BIGINT, b VARCHAR", [("1", "x")]),
        ("a,b\r\n1,x\r\n2,y", {}, "a BIGINT, b VARCHAR", [("1", "x"), ("2", "y")]),
        ("\n\na,b\n\n1,x\n", {}, "a BIGINT, b VARCHAR", [("1", "x")]),
        ('"a\nb","c ""d"""\n1,x\n', {}, 'a\nb BIGINT, c "d" VARCHAR', [("1", "x")]),
        ("a,b\n", {}, "a VARCHAR, b VARCHAR", []),
        ("a,b", {}, "a VARCHAR, b VARCHAR", []),
        ("1,x\n2,y\n", {}, "column0 BIGINT, column1 VARCHAR", [("1", "x"), ("2", "y")]),
        ("a,b\nc,d\n", {"header": False}, "column0 VARCHAR, column1 VARCHAR", [("a", "b"), ("c", "d")]),
        ("1,2\n3,4\n", {"header": True}, "1 BIGINT, 2 BIGINT", [("3", "4")]),
        ("1,x\n", {"columns": {"id": "INTEGER", "name": "VARCHAR"}}, "id INTEGER, name VARCHAR", [("1", "x")]),
        ("1,x\n", {"columns": {"column0": "DOUBLE"}}, "column0 DOUBLE, column1 VARCHAR", [("1.0", "x")]),
        ("a;b\n1,5;x\n", {"delimiter": ";"}, "a VARCHAR, b VARCHAR", [("1,5", "x")]),
        ("a|'b|c'\n1|'x|y'\n", {"quote": "'"}, "a BIGINT, b|c VARCHAR", [("1", "x|y")]),
        (",b,c\n1,x,2\n", {}, "column0 BIGINT, b VARCHAR, c BIGINT", [("1", "x", "2")]),
        ("", {"columns": {"a": "DATE"}}, "a DATE", []),
        ("\n\n", {"columns": {"a": "DATE"}}, "a DATE", []),
    ],
)
def test_a_file_of_any_shape(
    tmp_path: Path, text: str, spec: dict[str, object], columns: str, records: list[tuple[str, ...]]
) -> None:
    write(tmp_path, text)
    table = formats.resolve("t", Spec(["t.csv"], **spec), tmp_path)  # type: ignore[arg-type]
    assert ", ".join(f"{column.name} {column.type}" for column in table.columns) == columns
    for chunk_bytes in (1, 1000):
        assert rows(table, chunk_bytes) == records


def test_an_empty_file_among_others_has_no_records(folder: Path) -> None:
    write(folder, "", "0.csv")
    write(folder, "id,name\n", "z.csv")
    table = formats.resolve("t", Spec(["*.csv"]), folder)
    assert table.columns == (Column("id", "BIGINT"), Column("name", "VARCHAR"))
    assert len(rows(table)) == 3


def test_a_header_longer_than_any_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tolva.formats.delimited.table.MAX_RECORD_BYTES", 500_000)
    name = "n\n" * 35_000
    for text in (f'"{name}",b\n1,2\n', "\n" * 70_000 + f'"{name}",b\n1,2\n'):
        table = formats.resolve("t", write(tmp_path, text), tmp_path)
        assert [column.name for column in table.columns] == [name.strip(), "b"]
        assert rows(table) == [("1", "2")]
    with pytest.raises(InputError, match=r"^t.csv: its first record is longer than"):
        formats.resolve("t", write(tmp_path, '"' + "a,b\n" * 200_000), tmp_path)


def test_types_fit_every_sampled_file(folder: Path) -> None:
    write(folder, "id,name\n1.5,x\n", "c.csv")
    write(folder, "id,name\n,\n", "d.csv")
    table = formats.resolve("t", Spec(["*.csv"]), folder)
    assert table.columns[0] == Column("id", "DOUBLE")


def test_a_ragged_record_is_an_error_not_another_shape(tmp_path: Path) -> None:
    for ragged, words in (("3", "has 1 fields"), ("3,4,5", "has 3 fields")):
        table = formats.resolve("t", write(tmp_path, f"a,b\n1,2\n{ragged}\n5,6\n"), tmp_path)
        assert [column.name for column in table.columns] == ["a", "b"]
        with pytest.raises(RecordError, match=f"^t.csv:3: {words}, expected 2"):
            rows(table)


def test_lines_are_those_an_editor_shows(tmp_path: Path) -> None:
    text = 'a,b\n1,"x\ny"\n' + '2,"z\r\n\n"\n' * 50 + "\nbad,x\n"
    table = formats.resolve("t", write(tmp_path, text) and Spec(["t.csv"], {"a": "INTEGER"}), tmp_path)
    for chunk_bytes in (1, 50, 10_000):
        with pytest.raises(RecordError) as caught:
            rows(table, chunk_bytes)
        assert caught.value.data["line"] == text.split("\n").index("bad,x") + 1
        assert caught.value.data["byte_offset"] == text.index("bad,x")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["c.csv"], r"^c.csv: there is no such file. Nearby: [ab].csv, [ab].csv.$"),
        (["*.tsv"], r"^no file matches \*.tsv in "),
        (["none/*.csv"], "There is no folder .*none either"),
        (["sub"], "^sub is a folder; name the files in it, as in sub/"),
    ],
)
def test_files_that_are_not_there(folder: Path, files: list[str], words: str) -> None:
    (folder / "sub").mkdir()
    with pytest.raises(InputError, match=words):
        formats.resolve("t", Spec(files), folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,\x00\n", "t.csv isn't text: it has a NUL at byte 6"),
        (b"\x1f\x8b\x08\x00", "t.csv is cut short: its gzip data doesn't end"),
        (b"PAR1xxxx", "t.csv is a Parquet file"),
        (b"a,b\r1,2\r", "t.csv ends its lines with CR alone"),
        (b"a,A\n1,2\n", "t.csv: its header has both 'a' and 'A'"),
        (b"a,a\n1,2\n", "t.csv: its header has both 'a' and 'a'"),
        (b"caf\xe9,b\n1,2\n", "t.csv: its header is not UTF-8"),
        (b"", "table t: its files have no records; declare its columns"),
    ],
)
def test_files_that_are_no_table(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        formats.resolve("t", write(tmp_path, content), tmp_path)


def test_an_unreadable_file(folder: Path) -> None:
    (folder / "a.csv").chmod(0)
    if os.access(folder / "a.csv", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(InputError, match=r"a.csv can't be read: Permission denied"):
        formats.resolve("t", Spec(["a.csv"]), folder)


def test_files_that_differ_in_columns(folder: Path) -> None:
    write(folder, "id,nam,x\n1,2,3\n", "c.csv")
    with pytest.raises(
        InputError, match=r"^c.csv has not the same columns as a.csv: it lacks name; it has besides nam, x$"
    ):
        formats.resolve("t", Spec(["*.csv"]), folder)


def test_files_without_header_that_differ_in_width(tmp_path: Path) -> None:
    write(tmp_path, "1,2\n", "a.csv")
    write(tmp_path, "1,2,3\n", "b.csv")
    with pytest.raises(InputError, match=r"b.csv has not the same columns as a.csv"):
        formats.resolve("t", Spec(["*.csv"], {"x": "INTEGER", "y": "INTEGER"}), tmp_path)


def test_declared_columns_that_can_not_be(folder: Path) -> None:
    with pytest.raises(
        InputError, match=r"column nme is declared, but a.csv has none of that name; did you mean name?"
    ):
        formats.resolve("t", Spec(["*.csv"], {"nme": "VARCHAR"}), folder)
    with pytest.raises(DocumentError, match=r"there is no type 'INTEGR'; did you mean INTEGER?"):
        formats.resolve("t", Spec(["*.csv"], {"id": "INTEGR"}), folder)
    write(folder, "1,2,3\n", "n.csv")
    with pytest.raises(InputError, match=r"n.csv has no header and 3 columns, but 2 are declared"):
        formats.resolve("t", Spec(["n.csv"], {"x": "INTEGER", "y": "INTEGER"}), folder)


def test_a_changed_file_is_refused(folder: Path) -> None:
    (file,) = stored(formats.resolve("t", Spec(["a.csv"]), folder))
    (chunk,) = formats.chunks_of(file, 1000)
    with (folder / "a.csv").open("a") as more:
        more.write("3,z\n")
    with pytest.raises(InputError, match=r"^a.csv has changed since the job was submitted"):
        list(formats.chunks_of(file, 1000))
    with pytest.raises(InputError, match=r"^a.csv has changed"):
        formats.read(file, chunk, {"id": "BIGINT"}, ["id"])
    (folder / "a.csv").unlink()
    with pytest.raises(InputError, match=r"^a.csv can't be read any more: No such file"):
        formats.read(file, chunk, {"id": "BIGINT"}, ["id"])
