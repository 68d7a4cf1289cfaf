"""Results as text: byte for byte what DuckDB's COPY writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tolva.plan import Column, Format, Result
from tolva.planner import Query, TableInfo, plan
from tolva.planner.encode import header, line
from tolva.planner.quoting import quoted

AWKWARD = st.text(st.sampled_from("a,\"#\n\r\t'\\ ü\x00x"), max_size=6)
TEXTS = st.lists(st.tuples(st.none() | AWKWARD | st.text(max_size=8), st.none() | AWKWARD), min_size=1, max_size=8)
NAMES = st.lists(
    st.text(st.characters(exclude_characters="\x00", codec="utf-8"), min_size=1, max_size=6), min_size=1, max_size=4
)


class Copier:
    """DuckDB, and a file that its COPY writes to."""

    def __init__(self, folder: Path) -> None:
        self.duckdb = duckdb.connect(":memory:")
        self.duckdb.execute("SET TimeZone='UTC'")
        self._path = folder / "copied"

    def copied(self, sql: str, options: str) -> bytes:
        self.duckdb.execute(f"COPY ({sql}) TO '{self._path}' ({options})")
        return self._path.read_bytes()

    def encoded(self, relation: str, form: Format) -> bytes:
        described = self.duckdb.execute(f"DESCRIBE {relation}").fetchall()
        columns = [Column(row[0], row[1]) for row in described]
        (item,) = line([quoted(c.name) for c in columns], columns, form)
        return "".join(row[0] for row in self.duckdb.execute(f"SELECT {item} FROM {relation}").fetchall()).encode()


@pytest.fixture(scope="module")
def copier(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copier]:
    one = Copier(tmp_path_factory.mktemp("copy"))
    yield one
    one.duckdb.close()


SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


@SHARED
@given(TEXTS)
def test_any_text(copier: Copier, rows: list[tuple[str | None, str | None]]) -> None:
    table = pa.table(
        {"one": pa.array([r[0] for r in rows], pa.string()), "two": pa.array([r[1] for r in rows], pa.string())}
    )
    copier.duckdb.register("texts", table)
    assert copier.encoded("texts", Format.CSV) == copier.copied("FROM texts", "FORMAT csv, HEADER false")
    assert copier.encoded("texts", Format.NDJSON) == copier.copied("FROM texts", "FORMAT json")


@SHARED
@given(NAMES)
def test_any_column_names(copier: Copier, names: list[str]) -> None:
    # Given a query whose columns have these names, equal ones among them maybe
    listed = ", ".join(f"""1 AS "{name.replace('"', '""')}\"""" for name in names)
    result = plan({"q": Query(f"SELECT {listed}")}, {}).result_of("q")
    # When the header of a part is written, then it is that of DuckDB
    assert header(result) + b"1" + b",1" * (len(names) - 1) + b"\n" == copier.copied(f"SELECT {listed}", "FORMAT csv")


@pytest.mark.parametrize(
    "value",
    [
        "1::TINYINT", "-1::HUGEINT", "18446744073709551615::UBIGINT", "1.50::DECIMAL(5,3)", "0.1::FLOAT",
        "1e30::DOUBLE", "1e15::DOUBLE", "'nan'::DOUBLE", "'-inf'::DOUBLE", "-0.0::DOUBLE", "true",
        "NULL::INTEGER", "NULL::VARCHAR",
        "DATE '2024-02-29'", "DATE '-0001-01-01'", "TIME '24:00:00'", "TIMESTAMP '2024-01-01 00:00:00.000001'",
        "TIMESTAMP_NS '2024-01-01 00:00:00.000000001'", "TIMESTAMP_S '2024-01-01 00:00:01'",
        "TIMESTAMPTZ '2024-01-01 00:00:00+02'", "TIMETZ '10:00:00+02'", "INTERVAL '1 year 2 days 03:00:00'",
        "'00000000-0000-0000-0000-000000000001'::UUID", "'\\xAA,\"'::BLOB", "''::BLOB", "'101'::BIT",
        "[1, NULL, 3]", "['a b', 'c,d', '\"']", "[]::INTEGER[]", "{'a': 1, 'b': 'x\"y'}", "MAP {'k': [1], 'l': NULL}",
        "array_value(1, 2)", "'b'::ENUM('a', 'b')", "'{\"a\": [1, 2]}'::JSON", "row(1, 'x,y')",
        "union_value(n := 1)",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("form", "options"), [(Format.CSV, "FORMAT csv, HEADER false"), (Format.NDJSON, "FORMAT json")]
)
def test_any_type(copier: Copier, value: str, form: Format, options: str) -> None:
    copier.duckdb.execute(f"CREATE OR REPLACE TEMP TABLE typed AS SELECT {value} AS v, {value} AS w")
    assert copier.encoded("typed", form) == copier.copied("FROM typed", options)


def test_parquet_keeps_names_and_types() -> None:
    columns = [Column("a b", "INTEGER"), Column("c", "VARCHAR")]
    assert line(["x", "c"], columns, Format.PARQUET) == ['x AS "a b"', "c AS c"]


def test_only_csv_has_a_header() -> None:
    columns = (Column("a", "INTEGER"), Column('b"c', "VARCHAR"))
    assert header(Result("q", Format.CSV, columns)) == b'a,"b""c"\n'
    assert header(Result("q", Format.NDJSON, columns)) == b""


def test_a_query_over_a_table_is_encoded_where_its_rows_are() -> None:
    tables = {"t": TableInfo((Column("a", "INTEGER"),), 10**9)}
    scan, finish = plan({"q": Query("SELECT a FROM t", Format.NDJSON)}, tables).stages
    assert scan.outputs[0].lines
    assert finish.result is not None
    assert finish.result.sql is None
    assert finish.result.lines
