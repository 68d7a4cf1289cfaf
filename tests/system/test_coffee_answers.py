"""The four questions, end to end: the published answers, and DuckDB's over generated data."""

from __future__ import annotations

import csv
import os
from collections import Counter
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
import yaml
from program import Tolva

from variants import variants

SAMPLE = os.environ.get("TOLVA_SAMPLE_DATA")


def records(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def numbers(rows: list[list[str]]) -> Counter[tuple[object, ...]]:
    """The rows as a multiset, with the last value as a number: 78.0 and 78.000 are the same amount."""
    return Counter((*row[:-1], Decimal(row[-1])) for row in rows)


@pytest.mark.skipif(SAMPLE is None, reason="TOLVA_SAMPLE_DATA is not set: no published answers to compare with")
def test_published_answers(tolva: Tolva, tmp_path: Path, coffee: Path) -> None:
    sample = Path(str(SAMPLE))
    done = tolva("run", coffee.parent / "four_questions.yaml", "--data", sample / "coffee_small", "--output", "out")
    assert done.returncode == 0, done.stderr
    expected = sample / "coffee_small_expected"
    for ours, published in [
        ("q1", "results_query_1"),
        ("q2_quantity", "results_query_2_1"),
        ("q2_profit", "results_query_2_2"),
        ("q3", "results_query_3"),
    ]:
        assert numbers(records(tmp_path / f"out/{ours}_0001.csv")) == numbers(records(expected / f"{published}.csv"))
    # All customers tie in this sample, so the published ones are some of many right answers.
    ours_by_store = Counter(row[0] for row in records(tmp_path / "out/q4_0001.csv"))
    assert ours_by_store == Counter(row[0] for row in records(expected / "results_query_4.csv"))


@pytest.mark.parametrize(
    ("chunk", "workers"), variants([("32KB", 3), ("64MB", 2)], [("16KB", 4), ("256KB", 1), ("1MB", 3)])
)
def test_the_same_files_as_duckdb_writes(tolva: Tolva, tmp_path: Path, coffee: Path, chunk: str, workers: int) -> None:
    document = coffee.parent / "four_questions.yaml"
    done = tolva("run", document, "--data", coffee, "--output", "out", "--chunk", chunk, "--workers", str(workers))
    assert done.returncode == 0, done.stderr
    connection = duckdb.connect()
    values = yaml.safe_load(document.read_text())
    for name, table in values["tables"].items():
        types = ", ".join(f"'{column}': '{type_}'" for column, type_ in table["columns"].items())
        connection.execute(
            f"CREATE VIEW {name} AS FROM read_csv('{coffee / table['files']}', header = true, types = {{{types}}})"
        )
    for name, query in values["queries"].items():
        path = tmp_path / f"duckdb_{name}.csv"
        connection.execute(f"COPY ({query['sql']}) TO '{path}' (HEADER)")
        assert (tmp_path / f"out/{name}_0001.csv").read_bytes() == path.read_bytes(), name
