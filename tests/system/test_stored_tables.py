"""Stored tables through the command: an answer becomes one, and later questions read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from program import Tolva

STORE = """\
kind: query
tables: {t: {files: t.csv, columns: {a: INTEGER, b: VARCHAR, c: "DECIMAL(9,2)"}}}
queries:
  q: {sql: "SELECT a, b, c FROM t WHERE a > 1", store_as: kept, mode: append}
"""
ASK = """\
kind: query
tables: {k: {stored: KEPT}}
queries: {q: "SELECT a, b, c FROM k ORDER BY a, b", n: "SELECT count(*) AS n FROM k"}
"""


def test_an_answer_becomes_a_table_that_can_be_asked(tolva: Tolva, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n1,x,1.50\n2,y,2.50\n3,,3.50\n")
    (tmp_path / "store.yaml").write_text(STORE)
    (tmp_path / "ask.yaml").write_text(ASK)
    for times in (1, 2):
        done = tolva("run", "store.yaml", "--output", "stored")
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        asked = tolva("run", "ask.yaml")
        assert asked.returncode == 0, asked.stderr
        assert (tmp_path / "results/q_0001.csv").read_text() == "a,b,c\n" + "2,y,2.50\n" * times + "3,,3.50\n" * times
        assert (tmp_path / "results/n_0001.csv").read_text() == f"n\n{2 * times}\n"
    # Of what two loads wrote nothing but their objects is left.
    left = [path for path in (tmp_path / "state/storage").rglob("*") if path.is_file()]
    assert [path.suffix for path in left] == [".parquet"] * 2


@pytest.mark.parametrize("span", ["INTERVAL 1 DAY", "[INTERVAL 1 DAY]", "{a: INTERVAL 1 DAY}"])
def test_intervals_are_refused(tolva: Tolva, span: str) -> None:
    """Arrow writes none into Parquet."""
    done = tolva("sql", f"SELECT {span} AS span", "-o", "parquet")
    assert done.returncode == 1
    assert "column span is or holds an INTERVAL" in done.stderr
    assert "epoch()" in done.stderr


def test_a_table_that_is_not_there(tolva: Tolva, tmp_path: Path) -> None:
    (tmp_path / "ask.yaml").write_text(ASK)
    done = tolva("run", "ask.yaml")
    assert done.returncode == 2
    assert "no stored table KEPT" in done.stderr


@pytest.mark.parametrize("sql", ["SELECT sum(a) AS total FROM t", "SELECT a::HUGEINT * 10 AS total FROM t WHERE a = 4"])
def test_sums_of_whole_numbers_are_stored(tolva: Tolva, tmp_path: Path, sql: str) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n1,x,1.50\n39,y,2.50\n4,z,1\n-4,z,1\n")
    (tmp_path / "store.yaml").write_text(STORE.replace("SELECT a, b, c FROM t WHERE a > 1", sql))
    done = tolva("run", "store.yaml")
    assert done.returncode == 0, done.stderr
    asked = tolva("sql", "SELECT total, typeof(total) AS kind FROM kept", "--stored", "kept", "-o", "csv")
    assert asked.stdout == 'total,kind\n40,"DECIMAL(38,0)"\n', asked.stderr


def test_a_column_that_a_table_can_t_have(tolva: Tolva, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n1,x,1.50\n")
    (tmp_path / "store.yaml").write_text(STORE.replace("SELECT a, b, c", "SELECT [a] AS listed"))
    done = tolva("run", "store.yaml")
    assert done.returncode == 2
    assert "column listed is INTEGER[]" in done.stderr
