"""Type names are DuckDB's, and each has an Arrow type that DuckDB reads back as the same."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pytest

from tolva.errors import DocumentError
from tolva.formats.arrow import arrow_type
from tolva.formats.types import _NAMES, canonical, decimal_size

CANONICAL = [*sorted(set(_NAMES.values())), "DECIMAL(18,3)", "DECIMAL(38,0)"]


@pytest.mark.parametrize("name", [*_NAMES, "decimal", "numeric(9)", "DECIMAL ( 4 , 1 )", "varchar(20)", "double"])
def test_a_name_means_what_it_means_to_duckdb(name: str) -> None:
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT typeof(CAST(NULL AS {name}))").fetchone()
    assert row == (canonical(name),)


@pytest.mark.parametrize("name", CANONICAL)
def test_duckdb_reads_the_arrow_type_as_the_same(name: str) -> None:
    assert canonical(name) == name
    schema = pa.schema([("c", arrow_type(name))])
    with duckdb.connect() as connection:
        connection.register("t", schema.empty_table())
        assert connection.execute("SELECT column_type FROM (DESCRIBE t)").fetchone() == (name,)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("INTEGR", "there is no type 'INTEGR'; did you mean INTEGER?"),
        ("datetim", "did you mean DATETIME?"),
        ("xyz", "known types: BOOLEAN"),
        ("HUGEINT", r"declare DECIMAL\(38,0\) instead"),
        ("DECIMAL(39,0)", "a DECIMAL has 1 to 38 digits"),
        ("DECIMAL(3,4)", "not more of them after the point"),
        ("INTEGER[]", "there is no type"),
    ],
)
def test_other_names_are_refused(name: str, words: str) -> None:
    with pytest.raises(DocumentError, match=words):
        canonical(name)


def test_only_decimals_have_a_size() -> None:
    assert decimal_size("DECIMAL(18,3)") == (18, 3)
    assert decimal_size("VARCHAR") is None
