"""TPC-H, 22 of 22, from stored tables by the command: read in place, and spread over tasks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import duckdb
import program
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tpch_kit
from judge import assert_same_rows, rows_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose state has the eight tables, stored from CSV files."""
    folder = tmp_path_factory.mktemp("stored-tpch")
    types = tpch_kit.types_of(tpch_kit.generate(folder, "parquet"))
    tables = {
        name: {"files": f"{name}.csv", "columns": {c.name: c.type for c in types[name]}} for name in tpch_kit.TABLES
    }
    queries = {name: {"sql": f"SELECT * FROM {name}", "store_as": name} for name in tpch_kit.TABLES}
    _run(folder, {"tables": tables, "queries": queries}, ["--data", str(tpch_kit.generate(folder, "csv"))])
    return folder


def _run(folder: Path, document: dict[str, object], words: Sequence[str]) -> None:
    path = folder / "job.yaml"
    path.write_text(json.dumps({"kind": "query"} | document))
    done = program.run("run", path.name, *words, state=folder / "state", cwd=folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("in_place_bytes", [2**29, 0])
def test_the_answers_are_duckdbs(folder: Path, in_place_bytes: int) -> None:
    document = {
        "tables": {name: {"stored": name} for name in tpch_kit.TABLES},
        "queries": {name: {"sql": sql, "format": "parquet"} for name, sql in tpch_kit.QUERIES.items()},
        "in_place_bytes": in_place_bytes,
    }
    output = folder / f"answers-{in_place_bytes}"
    _run(folder, document, ["--output", str(output)])
    judge = duckdb.connect(config={"threads": 1})
    judge.execute("SET arrow_lossless_conversion=true")
    parquet = tpch_kit.generate(folder, "parquet")
    for name in tpch_kit.TABLES:
        judge.execute(f"CREATE VIEW {name} AS FROM '{parquet / name}.parquet'")
    for name, sql in tpch_kit.QUERIES.items():
        got = pa.concat_tables([pq.read_table(part) for part in sorted(output.glob(f"{name}_*.parquet"))])
        # Rows that agree in all that the query orders by may come in any order.
        assert_same_rows(rows_of(got), rows_of(judge.sql(sql).to_arrow_table()), ordered=False, what=name)
