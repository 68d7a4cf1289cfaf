"""A hundred queries in one job over CSV files: DuckDB's answers, for any chunk size and any number of workers."""

from __future__ import annotations

import csv
import math
import random
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
import yaml
from program import Tolva

from variants import variants

QUERIES = [
    line for line in Path(__file__).with_name("hundred_queries.sql").read_text().splitlines() if line[:2] != "--"
]

COLUMNS = {
    "sales": {
        "id": "BIGINT",
        "shop": "INTEGER",
        "amount": "DECIMAL(10,2)",
        "weight": "DOUBLE",
        "flag": "BOOLEAN",
        "day": "DATE",
        "note": "VARCHAR",
    },
    "shops": {"shop": "INTEGER", "name": "VARCHAR", "city": "VARCHAR"},
}
NOTES = ["plain", "", 'said "yes"', "two\nlines", "comma, inside", " spaces ", "ünïcödé 咖啡", '"', "a\r\nb", "#hash"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files of sales with everything that makes CSV hard, and one of shops."""
    chance = random.Random(20240229)
    folder = tmp_path_factory.mktemp("queries")
    with (folder / "shops.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS["shops"])
        for shop in range(1, 9):
            writer.writerow([shop, f"{'ABCD'[shop % 4]} shop {shop}", ["Lima", "", "Quito"][shop % 3]])
    rows = [_sale(number, chance) for number in range(3_000)]
    # Rows that are equal in all columns are real, and must be counted.
    rows += rows[:50]
    for number in range(3):
        with (folder / f"sales_{number}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\r\n" if number == 1 else "\n")
            writer.writerow(COLUMNS["sales"])
            writer.writerows(rows[number::3])
    (folder / "sales_2.csv").write_bytes((folder / "sales_2.csv").read_bytes().rstrip(b"\n"))
    queries = {f"q{n:03}": {"sql": sql} for n, sql in enumerate(QUERIES)}
    tables = {name: {"files": f"{name}*.csv", "columns": columns} for name, columns in COLUMNS.items()}
    document = {"kind": "query", "tables": tables, "queries": queries}
    (folder / "job.yaml").write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    return folder


def _sale(number: int, chance: random.Random) -> list[object]:
    return [
        number,
        chance.choice(["", *range(1, 10)]),
        f"{chance.randrange(10_000) / 100:.2f}",
        chance.choice(["", "0.1", "-0.0", "1e3", f"{chance.random():.6f}"]),
        chance.choice(["true", "false", ""]),
        date(2024, 1, 1) + timedelta(days=chance.randrange(90)),
        chance.choice(NOTES),
    ]


@pytest.fixture(scope="module")
def expected(data: Path) -> list[list[tuple[str, ...]]]:
    connection = duckdb.connect()
    for name, columns in COLUMNS.items():
        types = ", ".join(f"'{column}': '{type_}'" for column, type_ in columns.items())
        connection.execute(
            f"CREATE TABLE {name} AS FROM read_csv('{data}/{name}*.csv', header = true, columns = {{{types}}}, "
            "delim = ',', quote = '\"', escape = '\"', strict_mode = false)"
        )
    answers = []
    for sql in QUERIES:
        connection.execute(f"COPY ({sql}) TO '{data}/expected.out' (FORMAT csv, HEADER)")
        answers.append(list(_records(data / "expected.out")))
    return answers


# A file is some 50 KB long: from 64 KB on it is one chunk.
@pytest.mark.parametrize(("chunk", "workers"), variants([("5KB", 3), ("64MB", 1)], [("1KB", 2), ("7KB", 4)]))
def test_duckdb_s_answers(
    data: Path, expected: list[list[tuple[str, ...]]], tolva: Tolva, tmp_path: Path, chunk: str, workers: int
) -> None:
    done = tolva("run", data / "job.yaml", "--data", data, "--chunk", chunk, "--workers", str(workers))
    assert done.returncode == 0, done.stderr
    for number, (sql, answer) in enumerate(zip(QUERIES, expected, strict=True)):
        ours = list(_records(tmp_path / f"results/q{number:03}_0001.csv"))
        assert ours[0] == answer[0], sql
        if "ORDER BY" in sql.rpartition(")")[2]:
            assert _rounded(ours) == _rounded(answer), sql
        else:
            assert Counter(_rounded(ours)) == Counter(_rounded(answer)), sql


def _records(path: Path) -> Iterator[tuple[str, ...]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from map(tuple, csv.reader(file))


def _rounded(records: list[tuple[str, ...]]) -> list[tuple[object, ...]]:
    """The records with inexact numbers to nine digits: sums of DOUBLE depend on their order."""
    return [tuple(_nine_digits(cell) for cell in record) for record in records]


def _nine_digits(cell: str) -> object:
    try:
        value = float(cell)
    except ValueError:
        return cell
    return cell if math.isinf(value) or math.isnan(value) or len(cell) < 12 else f"{value:.9e}"
