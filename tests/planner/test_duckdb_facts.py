"""Facts about DuckDB that plans rest on. A new DuckDB that breaks one must be noticed here first."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from tolva.planner import functions
from tolva.planner.algebra import AggregateCall, Ref
from tolva.planner.functions import MOMENTS, REFUSED, TABLES, may_be_called, refusal_of
from tolva.planner.rules.partials import split
from tolva.planner.sql import expression
from tolva.planner.sql_types import survives
from tolva.planner.steady import VOLATILE

NUMBERS = [
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
    "FLOAT", "DOUBLE", "DECIMAL(4,1)", "DECIMAL(18,3)", "DECIMAL(38,10)",
]  # fmt: skip
CALLS = ["sum", "avg", "min", "max", "count", "any_value", "product", "bit_xor", "bool_and"]


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as one:
        one.execute("SET TimeZone='UTC'")
        one.execute("SET arrow_lossless_conversion=true")
        yield one


def test_every_function_that_is_not_steady_is_known(connection: duckdb.DuckDBPyConnection) -> None:
    found = connection.execute(
        "SELECT function_name FROM duckdb_functions() WHERE function_type IN ('scalar', 'aggregate')"
        " AND stability IS NOT NULL AND stability <> 'CONSISTENT'"
    ).fetchall()
    assert {name for (name,) in found if may_be_called(name)} <= VOLATILE | MOMENTS


def test_every_function_is_judged(connection: duckdb.DuckDBPyConnection) -> None:
    # Given every function of this DuckDB; pragmas aren't functions of a SELECT
    found = connection.execute(
        "SELECT DISTINCT function_name, function_type FROM duckdb_functions() WHERE function_type <> 'pragma'"
    ).fetchall()
    # Then each is allowed or refused, but not both; one that nobody has judged is to be put into planner/functions.py
    allowed = {name for name, _ in found if may_be_called(name) or name in TABLES}
    refused = {name for name, _ in found if refusal_of(name)}
    assert {name for name, _ in found} == allowed | refused
    assert not allowed & refused


def test_no_function_is_judged_that_is_not_there(connection: duckdb.DuckDBPyConnection) -> None:
    there = {name for (name,) in connection.execute("SELECT function_name FROM duckdb_functions()").fetchall()}
    judged = functions.CALLS | TABLES | frozenset(name for group in REFUSED for name in group.names)
    assert judged <= there


@pytest.mark.parametrize("kind", NUMBERS)
@pytest.mark.parametrize("name", CALLS)
def test_partial_aggregates_have_the_types_they_are_said_to_have(
    connection: duckdb.DuckDBPyConnection, name: str, kind: str
) -> None:
    # Given an aggregate over a number, as DuckDB types it
    connection.execute(f"CREATE OR REPLACE TEMP TABLE t (x {kind})")
    try:
        (described,) = connection.execute(f"DESCRIBE SELECT {name}(x) FROM t").fetchall()
    except duckdb.BinderException:
        pytest.skip(f"no {name} of {kind}")
    one = split(AggregateCall(name, (Ref("x", kind),), described[1]))
    if one is None:
        pytest.skip(f"{name} of {kind} isn't made in steps")
    # When it is made in two steps
    partials = ", ".join(f"{expression(p)} AS p{n}" for n, p in enumerate(one.partials))
    refs = tuple(Ref(f"p{n}", p.type) for n, p in enumerate(one.partials))
    first = connection.execute(f"DESCRIBE SELECT {partials} FROM t").fetchall()
    (second,) = connection.execute(
        f"DESCRIBE SELECT {expression(one.combine(refs))} FROM (SELECT {partials} FROM t)"
    ).fetchall()
    # Then each step has the type that the planner believes
    assert [row[1] for row in first] == [p.type for p in one.partials]
    assert second[1] == described[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.0::DOUBLE", "'-0.0'::DOUBLE"),
        ("0.0::FLOAT", "'-0.0'::FLOAT"),
        ("'nan'::DOUBLE", "-('nan'::DOUBLE)"),
        ("INTERVAL '1 month'", "INTERVAL '30 days'"),
        ("INTERVAL '1 day'", "INTERVAL '24 hours'"),
        ("[0.0::DOUBLE]", "['-0.0'::DOUBLE]"),
        ("{'a': 'nan'::DOUBLE}", "{'a': -('nan'::DOUBLE)}"),
        ("'10:00:00+02'::TIMETZ", "'10:00:00+02'::TIMETZ"),
        ("TIMESTAMPTZ '2024-01-01 00:00:00+02'", "TIMESTAMPTZ '2023-12-31 22:00:00+00'"),
    ],
)
def test_what_is_equal_has_the_same_hash(connection: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    same = f"count(DISTINCT v) = 1, count(DISTINCT hash(v)) = 1 FROM (VALUES ({one}), ({other})) AS t(v)"
    assert connection.execute(f"SELECT {same}").fetchall() == [(True, True)]


def test_hashes_are_the_same_in_every_process(connection: duckdb.DuckDBPyConnection) -> None:
    asked = "SELECT hash(42), hash('a'), hash(NULL), hash(1, 'x')"
    with duckdb.connect(":memory:") as another:
        assert another.execute(asked).fetchall() == connection.execute(asked).fetchall()


@pytest.mark.parametrize(
    "value",
    [
        "true", "1::TINYINT", "170141183460469231731687303715884105727::HUGEINT", "-5::HUGEINT", "7::UHUGEINT",
        "1.5::DECIMAL(4,1)", "1.5::DECIMAL(38,10)", "'nan'::DOUBLE", "-0.0::FLOAT", "'text'", "'\\x00\\xFF'::BLOB",
        "'10101'::BIT", "DATE '-0044-03-15'", "DATE 'infinity'", "TIME '24:00:00'", "'23:59:59+15'::TIMETZ",
        "TIMESTAMP '2024-01-01 00:00:00.000001'", "TIMESTAMP 'infinity'", "TIMESTAMP_S '2024-01-01 00:00:01'",
        "TIMESTAMP_MS '2024-01-01 00:00:00.001'", "TIMESTAMP_NS '2024-01-01 00:00:00.000000001'",
        "TIMESTAMPTZ '2024-01-01 00:00:00+02'", "INTERVAL '1 year 2 days 3 microseconds'",
        "'00000000-0000-0000-0000-0000000000ff'::UUID", "[1, NULL]", "[[1], []]", "array_value(1, 2)",
        "{'a': 1, 'b': [NULL]}", "MAP {'k': 1}", "'{\"a\": 1}'::JSON",
    ],
)  # fmt: skip
def test_every_type_survives_the_way_between_tasks(connection: duckdb.DuckDBPyConnection, value: str) -> None:
    # Given a value and a NULL of its type
    rows = connection.sql(f"SELECT {value} AS v UNION ALL SELECT NULL").to_arrow_table()
    # When they are kept as an Arrow stream and read again
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    again = pa.ipc.open_stream(sink.getvalue()).read_all()
    connection.register("again", again)
    # Then type and values are the same
    expected = connection.execute(f"SELECT typeof({value})").fetchall()
    assert connection.execute("SELECT DISTINCT typeof(v) FROM again").fetchall() == expected
    same = f"SELECT count(*) FROM again WHERE v IS NOT DISTINCT FROM {value}"
    assert connection.execute(same).fetchall() == [(1,)]


@pytest.mark.parametrize(
    "value", ["'b'::ENUM('a', 'b')", "row(1, 'x')", "['b'::ENUM('a', 'b')]", "union_value(n := 1)"]
)
def test_some_types_are_known_not_to(connection: duckdb.DuckDBPyConnection, value: str) -> None:
    ((kind,),) = connection.execute(f"SELECT typeof({value})").fetchall()
    assert not survives(kind)
    # What became of them can be cast back.
    rows = connection.sql(f"SELECT {value} AS v").to_arrow_table()
    connection.register("again", rows)
    assert connection.execute(f"SELECT CAST(v AS {kind}) IS NOT DISTINCT FROM {value} FROM again").fetchall() == [
        (True,)
    ]
