"""A Parquet file reads as DuckDB's ``read_parquet`` reads it, whoever wrote it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parquet_kit import Duck, files_of, read_all, tables, write

from tolva import formats
from tolva.errors import DocumentError, InputError, RecordError
from tolva.formats.parquet.whole import WholeIntake
from tolva.formats.reject import listed
from tolva.formats.stored import Held
from tolva.jobs.prepare import Spec
from tolva.plan import Column

EXAMPLES = int(os.environ.get("TOLVA_FUZZ", "40"))

duck = Duck()


@pytest.fixture
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as made:
        yield Path(made)


def assert_like_duckdb(paths: list[Path], chunk_bytes: int) -> None:
    table = formats.resolve("t", Spec([path.name for path in paths]), paths[0].parent)
    assert [(column.name, column.type) for column in table.columns] == duck.columns(paths)
    pieces = read_all(table, chunk_bytes)
    assert [row for piece in pieces for row in duck.spelled(piece)] == duck.rows(paths)
    assert sum(piece.num_rows for piece in read_all(table, chunk_bytes, [])) == sum(p.num_rows for p in pieces)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    tables(),
    st.integers(1, 5),
    st.sampled_from(["snappy", "zstd", "gzip", "none"]),
    st.booleans(),
    st.sampled_from(["1.0", "2.4", "2.6"]),
    st.booleans(),
)
def test_any_schema(
    table: pa.Table, group_rows: int, compression: str, dictionary: bool, version: str, arrow_schema: bool
) -> None:
    with TemporaryDirectory() as folder:
        path = write(
            Path(folder) / "t.parquet",
            table,
            group_rows,
            compression=compression,
            use_dictionary=dictionary,
            version=version,
            store_schema=arrow_schema,
            coerce_timestamps="us" if version != "2.6" else None,
            allow_truncated_timestamps=True,
        )
        for chunk_bytes in (1, 2**30):
            assert_like_duckdb([path], chunk_bytes)


_WIDENINGS = [
    (pa.int32(), pa.int64()),
    (pa.int64(), pa.int16()),
    (pa.int32(), pa.float64()),
    (pa.decimal128(9, 2), pa.decimal128(18, 4)),
    (pa.date32(), pa.timestamp("us")),
    (pa.int64(), pa.string()),
    (pa.bool_(), pa.string()),
    (pa.list_(pa.int32()), pa.list_(pa.int64())),
    (pa.struct([("a", pa.int32())]), pa.struct([("a", pa.int64()), ("b", pa.string())])),
]


@pytest.mark.parametrize(("one", "other"), _WIDENINGS, ids=str)
def test_files_of_different_types_are_one_table(folder: Path, one: pa.DataType, other: pa.DataType) -> None:
    columns = {"n": pa.array([1, 2, 3])}
    value = {"list<": [1], "struc": {"a": 1}, "strin": "1", "bool": True, "date3": 7, "times": 9}

    def of(kind: pa.DataType) -> pa.Array:
        return pa.array([value.get(str(kind)[:5], 1), None, value.get(str(kind)[:5], 1)], kind)

    paths = [
        write(folder / "a.parquet", pa.table({**columns, "x": of(one)})),
        write(folder / "b.parquet", pa.table({"X": of(other), **columns, "later": ["p", "q", "r"]})),
        write(folder / "c.parquet", pa.table({"later": ["s"]})),
    ]
    assert_like_duckdb(paths, 1)


def test_files_that_are_no_table_together(folder: Path) -> None:
    write(folder / "a.parquet", pa.table({"x": [1]}))
    write(folder / "b.parquet", pa.table({"x": [[1]]}))
    table = formats.resolve("t", Spec(["*.parquet"]), folder)
    with pytest.raises(RecordError, match=r"^a.parquet, record 1: column x: '1' is not a BIGINT\[\]; "):
        read_all(table, 1)
    write(folder / "c.parquet", pa.table({"x": [{"a": 1}]}))
    table = formats.resolve("t", Spec(["c.parquet"], {"x": "STRUCT(b INTEGER)"}), folder)
    with pytest.raises(InputError, match=r"^c.parquet can't be read with the types of its table: STRUCT to STRUCT"):
        read_all(table, 1)


def test_duckdbs_own_types(folder: Path) -> None:
    connection = duckdb.connect()
    listed = (
        "3::HUGEINT h, uuid() u, TIMETZ '10:00:00+02' tz, INTERVAL '1 month 3 seconds' iv, 'a'::ENUM('a', 'b') e,"
        " [1, 2]::INTEGER[2] arr, '{\"a\": 1}'::JSON js, '101'::BIT bi, MAP {'k': [{'x': 1}]} m, NULL::INTERVAL no,"
        " TIMESTAMP_NS '2020-01-01 00:00:00.123456789' ns, TIMESTAMP_MS '2020-01-01 00:00:00.123' ms"
    )
    # DuckDB writes a NULL among arrays so that no other reader takes it.
    nothing = ["NULL"] * 5 + ["[3, 4]"] + ["NULL"] * 6
    connection.execute(f"COPY (SELECT {listed} UNION ALL SELECT {', '.join(nothing)}) TO '{folder}/t.parquet'")
    assert_like_duckdb([folder / "t.parquet"], 1)


def test_moments_of_96_bits(folder: Path) -> None:
    moments = pa.array([0, 1_577_840_523_000_456_000, None], pa.timestamp("ns"))
    path = write(folder / "t.parquet", pa.table({"m": moments}), use_deprecated_int96_timestamps=True)
    assert_like_duckdb([path], 1)


def test_declared_types_win(folder: Path) -> None:
    write(folder / "t.parquet", pa.table({"n": ["1", "2", "x"], "d": ["2024-01-31"] * 3, "l": [[1], [2], None]}))
    table = formats.resolve("t", Spec(["t.parquet"], {"d": "date", "L": "varchar[]"}), folder)
    assert [column.type for column in table.columns] == ["VARCHAR", "DATE", "VARCHAR[]"]
    assert duck.spelled(read_all(table, 2**20)[0])[0] == ("1", "2024-01-31", "[1]")
    table = formats.resolve("t", Spec(["t.parquet"], {"n": "int"}), folder)
    with pytest.raises(RecordError, match=r"^t.parquet, record 3: column n: 'x' is not an INTEGER; ") as caught:
        read_all(table, 2**20)
    assert (caught.value.data["line"], caught.value.data["column"]) == (3, "n")


def test_declared_columns_that_can_not_be(folder: Path) -> None:
    write(folder / "t.parquet", pa.table({"name": ["x"]}))
    with pytest.raises(InputError, match=r"column nme is declared, but t.parquet has none .* did you mean name\?"):
        formats.resolve("t", Spec(["t.parquet"], {"nme": "INTEGER"}), folder)
    with pytest.raises(DocumentError, match=r"there is no type 'INTEGR': "):
        formats.resolve("t", Spec(["t.parquet"], {"name": "INTEGR"}), folder)


def test_names_that_sql_can_not_tell_apart(folder: Path) -> None:
    write(folder / "t.parquet", pa.table([[1], [2]], names=["a", "A"]))
    with pytest.raises(InputError, match=r"^t.parquet has both 'a' and 'A', which SQL can't tell apart"):
        formats.resolve("t", Spec(["t.parquet"]), folder)


def test_every_chunk_is_whole_groups_and_follows_on(folder: Path) -> None:
    path = write(folder / "t.parquet", pa.table({"n": range(1000), "s": ["x" * 50] * 1000}), 10)
    (file,) = files_of(formats.resolve("t", Spec([path.name]), folder))
    for chunk_bytes in (1, 700, 5000, 2**30):
        chunks = list(formats.chunks_of(file, chunk_bytes))
        assert [group for chunk in chunks for group in chunk.traits["groups"]] == list(range(100))
        ends = [0, *(chunk.offset + chunk.length for chunk in chunks)]
        assert [chunk.offset for chunk in chunks] == ends[:-1]
        assert ends[-1] == file.bytes
        for chunk in chunks:
            left = replace(file, cut_bytes=chunk.offset)
            assert next(formats.chunks_of(left, chunk_bytes)) == chunk


def test_a_group_that_unpacks_to_much_more_is_a_chunk_of_its_own(folder: Path) -> None:
    path = write(
        folder / "t.parquet", pa.table({"s": ["x" * 1000] * 10_000}), 1000, compression="zstd", use_dictionary=False
    )
    (file,) = files_of(formats.resolve("t", Spec([path.name]), folder))
    assert sum(file.layout["groups"]) < 200_000
    assert len(list(formats.chunks_of(file, 200_000))) == 10


def test_a_file_without_rows(folder: Path) -> None:
    path = write(folder / "t.parquet", pa.table({"n": pa.array([], pa.int32())}))
    table = formats.resolve("t", Spec([path.name]), folder)
    assert [column.type for column in table.columns] == ["INTEGER"]
    assert sum(piece.num_rows for piece in read_all(table, 1)) == 0


@pytest.mark.parametrize("cut", [4, 10, 100, -1, -4, -9])
def test_a_file_that_is_not_whole(folder: Path, cut: int) -> None:
    path = write(folder / "t.parquet", pa.table({"n": range(100)}))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"^t.parquet can't be read as Parquet: .+\. Is it whole\? Write it again$"):
        formats.resolve("t", Spec(["t.parquet"]), folder)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_damage_is_told(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        path = write(Path(folder) / "t.parquet", pa.table({"n": range(50), "s": ["añb"] * 50}), 10)
        whole = bytearray(path.read_bytes())
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] ^= data.draw(st.integers(1, 255))
        path.write_bytes(whole)
        try:
            table = formats.resolve("t", Spec(["t.parquet"]), Path(folder))
            for piece in read_all(table, 1):
                duck.spelled(piece)
        except (InputError, RecordError) as error:
            assert error.message.startswith("t.parquet")  # noqa: PT017 - sound enough to be read is fine too
        except UnicodeDecodeError:
            pytest.fail("bytes that aren't text were passed on")


def test_text_that_is_not_utf8(folder: Path) -> None:
    path = write(folder / "t.parquet", pa.table({"s": ["abcdef"]}), compression="none", use_dictionary=False)
    path.write_bytes(path.read_bytes().replace(b"abcdef", b"abc\xffef"))
    table = formats.resolve("t", Spec(["t.parquet"]), folder)
    with pytest.raises(InputError, match=r"^t.parquet can't be read as Parquet: .*UTF8"):
        read_all(table, 1)


def test_a_changed_file_is_refused(folder: Path) -> None:
    path = write(folder / "t.parquet", pa.table({"n": [1]}))
    table = formats.resolve("t", Spec(["t.parquet"]), folder)
    write(path, pa.table({"n": [2, 3]}))
    with pytest.raises(InputError, match=r"^t.parquet has changed since the job was submitted"):
        read_all(table, 1)


def test_bad_records_are_sorted_out(folder: Path) -> None:
    values = {"n": ["1", "x", None, "4", "y"], "d": ["2024-01-31", "2024-02-31", "2024-01-01", "?", None], "e": [1] * 5}
    write(folder / "t.parquet", pa.table(values), 2)
    table = formats.resolve("t", Spec(["t.parquet"], {"n": "INTEGER", "d": "DATE"}), folder)
    types = {column.name: column.type for column in table.columns}
    (file,) = files_of(table)
    found = [formats.sort_out(file, chunk, types, ["n", "d"]) for chunk in formats.chunks_of(file, 1)]
    assert [part.records for part in found] == [2, 2, 1]
    assert [row for part in found for row in duck.spelled(part.rows)] == [("1", "2024-01-31"), (None, "2024-01-01")]
    rejects = [reject for part in found for reject in listed(file.name, part.rejects)]
    assert [(r.line, r.column, r.code, r.message) for r in rejects] == [
        (2, "n", "type", "'x' is not an INTEGER"),
        (2, "d", "type", "'2024-02-31' is not a DATE"),
        (4, "d", "type", "'?' is not a DATE"),
        (5, "n", "type", "'y' is not an INTEGER"),
    ]
    assert [r.raw for r in rejects][2:] == [b'{"n":"4","d":"?","e":1}', b'{"n":"y","d":null,"e":1}']
    assert found[1].places([0]).to_pylist() == [{"line": 3, "offset": 0, "raw": b'{"n":null,"d":"2024-01-01","e":1}'}]
    nothing = formats.sort_out(file, next(formats.chunks_of(file, 2**30)), types, [])
    assert (nothing.records, nothing.rows.num_rows, nothing.rejects.num_rows) == (5, 5, 0)


def test_a_file_that_comes_as_a_stream(folder: Path) -> None:
    data = write(folder / "t.parquet", pa.table({"n": range(10)}), 3).read_bytes()
    intake = formats.intake("t", Spec([]), "up.parquet", chunk_bytes=1)
    assert [intake.feed(data[at : at + 7]) for at in range(0, len(data), 7)] == [[]] * -(-len(data) // 7)
    assert (intake.columns, intake.file(), intake.tail(), intake.state()) == (None, None, b"", {"resume_at": 0})
    (piece,) = intake.end()
    new = intake.file()
    assert new is not None
    assert [column.type for column in intake.columns or ()] == ["BIGINT"]
    file = files_of(formats.InputTable("t", (), (new,)))[0]
    assert formats.read(file, piece.chunk, {"n": "BIGINT"}, ["n"], Held(piece.data))["n"].to_pylist() == list(range(10))


def test_a_stream_that_is_no_file_of_the_table(folder: Path) -> None:
    intake = formats.intake("t", Spec([]), "up.parquet", chunk_bytes=1)
    intake.feed(b"PAR1 and then nothing of use")
    with pytest.raises(InputError, match=r"^up.parquet can't be read as Parquet"):
        intake.end()
    data = write(folder / "t.parquet", pa.table({"n": range(10), "m": range(10)}), 3).read_bytes()
    intake = formats.intake("t", Spec([]), "up.parquet", columns=(Column("N", "BIGINT"),), chunk_bytes=1)
    intake.feed(data)
    with pytest.raises(InputError, match=r"^up.parquet has columns that its table hasn't: m$"):
        intake.end()
    small = WholeIntake("t", Spec([]), "up.parquet", None, max_bytes=100)
    with pytest.raises(InputError, match=r"^up.parquet is larger than 100 bytes, and Parquet can't be cut"):
        small.feed(data)
