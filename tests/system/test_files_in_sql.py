"""Files named where tables stand: ``tolva sql`` takes them for tables, a job document says what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from program import Tolva


@pytest.fixture
def tolva(tmp_path: Path, tolva: Tolva) -> Tolva:
    (tmp_path / "sales").mkdir()
    for day, amounts in (("mo", "1,2\n1,3\n"), ("tu", "2,4\n")):
        (tmp_path / "sales" / f"{day}.csv").write_text(f"store,amount\n{amounts}")
    (tmp_path / "the stores.ndjson").write_text('{"store": 1, "name": "North"}\n{"store": 2, "name": "South"}\n')
    return tolva


@pytest.mark.parametrize(
    ("sql", "answer"),
    [
        ("SELECT sum(amount) AS s FROM 'sales/mo.csv'", "s\n5\n"),
        ('FROM "sales/tu.csv"', "store,amount\n2,4\n"),
        (
            "FROM 'sales/*.csv' AS sales JOIN 'the stores.ndjson' USING (store) SELECT name, amount ORDER BY amount",
            "name,amount\nNorth,2\nNorth,3\nSouth,4\n",
        ),
        ("WITH s AS (FROM 'sales/*.csv') SELECT count(*) AS n FROM s WHERE store = 1", "n\n2\n"),
        ("SELECT (SELECT max(amount) FROM 'sales/tu.csv') - max(amount) AS d FROM t", "d\n1\n"),
        ("SELECT count(*) AS n FROM 'sales/mo.csv' a, 'sales/mo.csv' b", "n\n4\n"),
    ],
)
def test_a_question_over_the_files_it_names(tolva: Tolva, sql: str, answer: str) -> None:
    done = tolva("sql", sql, "-t", "t=sales/mo.csv", "-o", "csv")
    assert (done.returncode, done.stdout) == (0, answer), done.stderr


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("FROM 'sales/we.csv'", "sales/we.csv: there is no such file"),
        ("FROM 'weeks/*.csv'", "no file matches weeks/*.csv"),
        ("FROM 'sales/mo.csv' a JOIN 'SALES/mo.csv' b USING (store)", "differ in case only"),
        ("FROM 'sales/mo.csv' WHERE", "syntax error"),
        ("SELECT " + "+".join(["1"] * 950) + " FROM 'sales/mo.csv'", "nests too deeply"),
    ],
)
def test_files_that_cannot_be_asked(tolva: Tolva, sql: str, told: str) -> None:
    done = tolva("sql", sql)
    assert done.returncode == 2
    assert told in done.stderr


def test_a_job_document_names_its_files_as_tables(tolva: Tolva, tmp_path: Path) -> None:
    document = {"kind": "query", "tables": {"t": {"files": "sales/*.csv"}}, "queries": {"q": "FROM 'sales/mo.csv'"}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(document))
    done = tolva("run", "job.yaml", "--output", "out")
    assert done.returncode == 2
    assert "sales/mo.csv is none of the job's tables" in done.stderr
    assert "tables: {t: {files: 'sales/mo.csv'}}, and ask FROM t" in done.stderr
