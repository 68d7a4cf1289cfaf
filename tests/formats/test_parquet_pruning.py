"""Row groups that can't matter aren't read, and no answer changes for it."""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parquet_kit import files_of, write
from pyarrow import parquet

from tolva import formats
from tolva.formats.parquet.groups import layout_of
from tolva.formats.stored import Stored
from tolva.jobs.direct import answer
from tolva.jobs.prepare import Prepared, QueryBrief, Spec
from tolva.model import Chunk, File
from tolva.plan import Plan
from tolva.planner import Query
from tolva.storage import Buffer, Storage

ROWS, GROUP_ROWS = 1000, 100
EXAMPLES = int(os.environ.get("TOLVA_FUZZ", "40"))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as made:
        numbers = list(range(ROWS))
        table = pa.table(
            {
                "n": numbers,
                "text": [f"{n:05}" for n in numbers],
                "day": pa.array(numbers, pa.int32()).cast(pa.date32()),
                "moment": pa.array([n * 3_600_000_000 for n in numbers], pa.timestamp("us")),
                "amount": pa.array(numbers, pa.int32()).cast(pa.decimal128(12, 0)).cast(pa.decimal128(12, 2)),
                "real": [math.nan if n == 5 else float(n) for n in numbers],
                "flag": [n >= 500 for n in numbers],
                "hole": [None if n < 500 else n for n in numbers],
                "wide": ["x" * 100 for _ in numbers],
            }
        )
        write(Path(made) / "t.parquet", table, GROUP_ROWS, compression="none", use_dictionary=False)
        yield Path(made)


def prepared(folder: Path, *queries: str) -> Prepared:
    listed = {f"q{i}": Query(sql) for i, sql in enumerate(queries)}
    return QueryBrief({"t": Spec(["t.parquet"])}, listed, folder, in_place_bytes=0).prepare()


def groups_read(folder: Path, *queries: str) -> int:
    """Return how many row groups the scan of these queries leaves in the file's one chunk."""
    made = prepared(folder, *queries)
    (file,) = files_of(made.tables[0])
    (chunk,) = formats.chunks_of(file, file.bytes)
    return len(formats.narrow(file, chunk, types_of(made), wanted_of(made.plan)).traits["groups"])


def types_of(made: Prepared) -> dict[str, str]:
    return {column.name: column.type for column in made.tables[0].columns}


def wanted_of(plan: Plan) -> list[Sequence[Any]]:
    return [output.tests for stage in plan.stages if stage.table == "t" for output in stage.outputs]


@pytest.mark.parametrize(
    ("where", "groups"),
    [
        ("n = 250", 1),
        ("250 = n", 1),
        ("n < 250", 3),
        ("n <= 300", 4),
        ("n > 899", 1),
        ("899 <= n", 2),
        ("n BETWEEN 250 AND 450", 3),
        ("n IN (5, 250, 999)", 3),
        ("n > 100 AND text < '00250'", 2),
        ("n > 2000", 0),
        ("text = '00123'", 1),
        ("text >= '009'", 1),
        ("day = DATE '1970-01-11'", 1),
        ("day >= '1972-06-01'", 2),
        ("moment < TIMESTAMP '1970-01-05 04:00:00'", 1),
        ("moment >= DATE '1970-02-01'", 3),
        ("CAST(moment AS DATE) = DATE '1970-01-03'", 1),
        ("amount > 850.5", 2),
        ("n > 850.5", 2),
        ("amount IN (3, 4)", 1),
        ("real < 100", 1),
        ("real > 900", 10),
        ("flag", 5),
        ("NOT flag", 5),
        ("hole IS NULL", 5),
        ("hole IS NOT NULL", 5),
        ("hole < 10000", 5),
        ("n = 3 OR n = 5", 10),
        ("n % 7 = 3", 10),
        ("n <> 5", 10),
        ("n + 0 = 5", 10),
        ("text LIKE '001%'", 10),
        ("n = (SELECT 5)", 10),
    ],
)
def test_groups_that_can_not_match_are_skipped(folder: Path, where: str, groups: int) -> None:
    query = f"SELECT n, text FROM t WHERE {where}"
    assert groups_read(folder, query) == groups
    with duckdb.connect() as connection:
        # Not over the file itself: there DuckDB believes that a group's largest noted number isn't below NaN.
        connection.execute(f"CREATE TABLE t AS FROM read_parquet('{folder}/t.parquet')")
        expected = [str(n) for (n,) in connection.execute(f"SELECT n FROM t WHERE {where}").fetchall()]
    assert answered(prepared(folder, f"SELECT n FROM t WHERE {where}"))["q0"] == ["n", *expected]


@pytest.mark.parametrize(
    ("queries", "groups"),
    [
        (["SELECT n FROM t WHERE n < 100", "SELECT n FROM t WHERE n >= 900"], 2),
        (["SELECT n FROM t WHERE n < 100", "SELECT sum(n) FROM t WHERE text < '00300' GROUP BY day"], 3),
        (["SELECT n FROM t WHERE n < 100", "SELECT count(*) FROM t"], 10),
        (["SELECT n FROM t WHERE n < 100", "SELECT n FROM t WHERE n % 2 = 0"], 10),
        (["SELECT count(*), max(n) FROM t WHERE n >= 900"], 1),
        (["SELECT DISTINCT day FROM t WHERE n >= 900 ORDER BY 1 LIMIT 3"], 1),
        (["SELECT n FROM (SELECT n FROM t LIMIT 5) WHERE n > 900"], 10),
        (["SELECT n, r FROM (SELECT n, row_number() OVER (ORDER BY n) AS r FROM t) WHERE n > 900"], 10),
        (["SELECT n FROM t WHERE n < 100 UNION ALL SELECT n FROM t WHERE n >= 900"], 2),
        (["SELECT a.n FROM t AS a JOIN t AS b ON a.n = b.n WHERE a.n < 100 AND b.n < 200"], 2),
    ],
)
def test_a_group_is_skipped_only_if_no_reader_wants_it(folder: Path, queries: list[str], groups: int) -> None:
    assert groups_read(folder, *queries) == groups
    answers = answered(prepared(folder, *queries))
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE t AS FROM read_parquet('{folder}/t.parquet')")
        for i, query in enumerate(queries):
            sql = f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({query})"
            expected = [",".join(row) for row in connection.execute(sql).fetchall()]
            if "LIMIT 5" not in query:
                assert sorted(answers[f"q{i}"][1:]) == sorted(expected)


def answered(made: Prepared) -> dict[str, list[str]]:
    return {
        query: b"".join(answer(made, query, memory_bytes=2**28)).decode().splitlines() for query in made.plan.queries
    }


class Counting(Storage):
    """One object in memory, and how many of its bytes were asked for."""

    def __init__(self, data: bytes) -> None:
        self.data, self.bytes_read = data, 0

    def get(self, key: str, ranges: Sequence[tuple[int, int]] | None = None) -> list[memoryview]:
        assert key == "objects/t"
        found = [memoryview(self.data)[at : at + length] for at, length in ranges or [(0, len(self.data))]]
        self.bytes_read += sum(map(len, found))
        return found

    def put(self, key: str, data: Iterable[Buffer]) -> int: ...
    def put_new(self, key: str, data: Buffer) -> bool: ...
    def stream(self, key: str, *, block_bytes: int = 0) -> Iterator[memoryview]: ...
    def link(self, key: str, path: Path) -> bool: ...
    def size(self, key: str) -> int | None: ...
    def path(self, key: str) -> None: ...
    def list(self, prefix: str) -> Iterator[str]: ...
    def delete(self, keys: Iterable[str]) -> None: ...
    def folders(self, prefix: str) -> Iterator[str]: ...

    def delete_below(self, prefix: str, *, keep: Collection[str] = ()) -> None: ...


def test_of_a_stored_file_only_what_matters_is_fetched(folder: Path) -> None:
    data = (folder / "t.parquet").read_bytes()
    storage = Counting(data)
    layout = layout_of(parquet.read_metadata(folder / "t.parquet"))
    file = File(1, "job", "t", "t", "objects/t", len(data), "", layout, 0, ended=False)
    made = prepared(folder, "SELECT n FROM t WHERE n BETWEEN 250 AND 349")
    chunk = Chunk(0, len(data), {"groups": list(range(ROWS // GROUP_ROWS))}, "objects/t")
    stored = Stored(storage, "objects/t")
    narrowed = formats.narrow(file, chunk, types_of(made), wanted_of(made.plan), stored)
    footers = storage.bytes_read
    rows = formats.read(file, narrowed, types_of(made), ["n"], stored)
    assert rows["n"].to_pylist() == list(range(200, 400))
    # Two groups of 100 numbers of 8 bytes and their headers; the footer is read twice.
    assert storage.bytes_read - 2 * footers < 2 * GROUP_ROWS * 8 * 2
    assert len(data) > 100 * ROWS


_LITERALS = {
    "i": st.integers(-5, 30).map(str) | st.just("12.5") | st.just("99999999999999"),
    "u": st.integers(0, 300).map(str) | st.just("18446744073709551615"),
    "f": st.sampled_from(["0", "-0.0", "1.5", "'nan'::DOUBLE", "'inf'::DOUBLE", "7"]),
    "s": st.sampled_from(["'a'", "''", "'é'", "'zz'", "'ab'"]),
    "d": st.sampled_from(["DATE '1970-01-05'", "'1970-01-09'", "TIMESTAMP '1970-01-07 12:00:00'"]),
    "t": st.sampled_from(["TIMESTAMP '1970-01-05 01:00:00.000001'", "DATE '1970-01-06'"]),
    "b": st.sampled_from(["true", "false"]),
    "e": st.integers(-5, 30).map(str) | st.just("3.25"),
}
_VALUES = {
    "i": (pa.int32(), st.integers(-5, 30)),
    "u": (pa.uint64(), st.sampled_from([0, 1, 200, 2**63, 2**64 - 1])),
    "f": (pa.float64(), st.sampled_from([math.nan, -0.0, 0.0, 1.5, 7.0, math.inf, -math.inf])),
    "s": (pa.string(), st.sampled_from(["", "a", "ab", "é", "zz", "é" * 200])),
    "d": (pa.int32(), st.integers(0, 12)),
    "t": (pa.int64(), st.integers(0, 12).map(lambda day: day * 86_400_000_000_000 + 3_600_000_001_000)),
    "b": (pa.bool_(), st.booleans()),
    "e": (pa.decimal128(9, 2), st.integers(-5, 30)),
}
_FINAL = {"d": pa.date32(), "t": pa.timestamp("ns")}


@st.composite
def predicates(draw: st.DrawFn, depth: int = 2) -> str:
    if depth and draw(st.booleans()):
        word = draw(st.sampled_from(["AND", "OR"]))
        return f"({draw(predicates(depth - 1))} {word} {draw(predicates(depth - 1))})"
    name = draw(st.sampled_from(sorted(_VALUES)))
    value = _LITERALS[name]
    compare = st.sampled_from(["=", "<", "<=", ">", ">=", "<>"])
    shapes = [
        st.builds("{} {} {}".format, st.just(name), compare, value),
        st.builds("{} {} {}".format, value, compare, st.just(name)),
        st.builds("{} BETWEEN {} AND {}".format, st.just(name), value, value),
        st.builds("{} IN ({}, {})".format, st.just(name), value, value),
        st.builds("{} IS {}NULL".format, st.just(name), st.sampled_from(["", "NOT "])),
    ]
    found = draw(st.one_of(shapes))
    return f"NOT ({found})" if draw(st.booleans()) else found


@st.composite
def sorted_tables(draw: st.DrawFn) -> pa.Table:
    count = draw(st.integers(1, 12))
    by = draw(st.sampled_from(sorted(_VALUES)))
    columns = {}
    for name, (kind, values) in _VALUES.items():
        column = pa.array(draw(st.lists(st.none() | values, min_size=count, max_size=count)), kind)
        columns[name] = column.cast(_FINAL.get(name, kind))
    return pa.table(columns).sort_by(by)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(sorted_tables(), st.integers(1, 4), st.lists(predicates(), min_size=1, max_size=2))
def test_no_answer_changes(table: pa.Table, group_rows: int, conditions: list[str]) -> None:
    with TemporaryDirectory() as made:
        path = write(Path(made) / "t.parquet", table, group_rows)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"CREATE TABLE t AS FROM read_parquet('{path}')")
            queries = [f"SELECT count(*), count(i), min(s), max(e) FROM t WHERE {where}" for where in conditions]
            expected = [
                connection.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({query})").fetchone() for query in queries
            ]
        found = answered(prepared(Path(made), *queries))
        rows = [found[f"q{i}"][1] for i in range(len(queries))]
        assert rows == [csv_line(row) for row in expected]


def csv_line(row: tuple[str | None, ...]) -> str:
    return ",".join('""' if value == "" else value or "" for value in row)
