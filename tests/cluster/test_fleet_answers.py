"""A fleet answers TPC-H as DuckDB does, and ingests as one process does. ``TOLVA_TPCH=all`` asks all 22 questions."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import tpch_kit
from fleet import TOLVA, Fleet, results
from judge import assert_same_rows, rows_of

SCALE = "0.01"
ASKED = list(tpch_kit.QUERIES) if os.environ.get("TOLVA_TPCH") == "all" else ["q01", "q05", "q18"]
CLIENTS = 6000
COLUMNS = "NombreCompleto, DNI, Estado, FechaIngreso, EsPEP, EsSujetoObligado"


def test_tpch_has_the_answers_of_duckdb(fleet: Fleet, tmp_path: Path) -> None:
    parquet = tpch_kit.generate(tmp_path, "parquet", SCALE)
    types = tpch_kit.types_of(parquet)
    document = {
        "kind": "query",
        "tables": {
            name: {"files": f"{name}.csv", "columns": {column.name: column.type for column in types[name]}}
            for name in tpch_kit.TABLES
        },
        "queries": {name: {"sql": tpch_kit.QUERIES[name], "format": "parquet"} for name in ASKED},
    }
    path = tmp_path / "tpch.yaml"
    path.write_text(json.dumps(document))
    for _ in range(2):
        fleet.worker("--concurrency", "1")

    fleet.run_job(path, tpch_kit.generate(tmp_path, "csv", SCALE), "out", "--chunk", "1MB")

    with duckdb.connect() as connection:
        connection.execute("SET arrow_lossless_conversion = true")
        for name in tpch_kit.TABLES:
            connection.execute(f"CREATE VIEW {name} AS FROM '{parquet / name}.parquet'")
        for name in ASKED:
            got = connection.sql(f"FROM '{tmp_path}/out/{name}_*.parquet'").to_arrow_table()
            expected = connection.sql(tpch_kit.QUERIES[name]).to_arrow_table()
            # Rows that are equal in what they are ordered by may come in any order.
            assert_same_rows(rows_of(got), rows_of(expected), ordered=False, what=name)
    assert fleet.failures() == []


def test_an_ingestion_stores_and_reports_what_one_process_does(fleet: Fleet, tmp_path: Path) -> None:
    data = tmp_path / "clients"
    fleet.run("generate", "clients", data, "--rows", str(CLIENTS), "--dirty", "0.2", "--seed", "5")
    load = ("run", data / "clients.yaml", "--data", data, "-q", "--chunk", "64KB", "--output")
    for _ in range(2):
        fleet.worker("--concurrency", "1")

    def alone(*words: str | Path) -> str:
        environment = {**os.environ, "TOLVA_STATE": str(tmp_path / "alone")}
        done = subprocess.run(
            [TOLVA, *words], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 3), done.stderr
        return done.stdout

    def together(*words: str | Path) -> str:
        process = fleet.start(*words)
        out, err = process.communicate(timeout=300)
        assert process.returncode in (0, 3), f"{err}\n{fleet.logs()}"
        return out

    reports = []
    tables = []
    for run, name in ((alone, "by-one"), (together, "by-all")):
        run(*load, tmp_path / name)
        reports.append({file: Counter(data.splitlines()) for file, data in results(tmp_path / name).items()})
        tables.append(kept(run))

    assert reports[0] == reports[1]
    assert tables[0] == tables[1]
    assert 0 < tables[0].total() < CLIENTS
    assert fleet.failures() == []


def kept(run: Callable[..., str]) -> Counter[str]:
    """Return the rows of the stored table, but for the time they were loaded at."""
    return Counter(run("sql", f"SELECT {COLUMNS} FROM clientes", "--stored", "clientes", "-o", "csv").splitlines())
