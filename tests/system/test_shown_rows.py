"""Answers on a terminal of any width: nothing of a value is left out."""

from __future__ import annotations

import re

import pytest
from program import Tolva

SQL = "SELECT 117.3125 AS latitude, 'the quick brown fox' AS text, NULL AS nothing, repeat('x', 100) AS long"
WORDS = ("latitude", "117.3125", "quick", "brown", "text", "NULL", "nothing", "long")


@pytest.mark.parametrize(("width", "is_table"), [("160", True), ("140", True), ("80", False), ("20", False)])
def test_all_of_a_row_is_there(tolva: Tolva, width: str, is_table: bool) -> None:
    done = tolva("sql", SQL, "-o", "table", COLUMNS=width)
    assert done.returncode == 0, done.stderr
    assert all(word in done.stdout for word in WORDS)
    assert done.stdout.count("x") >= 101
    assert "…" not in done.stdout
    assert ("━" in done.stdout) is is_table
    assert ("row 1 " in done.stdout) is not is_table
    assert done.stdout.rstrip().endswith("1 row")
    assert max(map(len, done.stdout.splitlines())) <= int(width)


def test_many_rows_one_below_the_other_are_numbered(tolva: Tolva) -> None:
    done = tolva("sql", "SELECT range AS n, repeat('x', 100) AS long FROM range(50)", "-o", "table", COLUMNS="60")
    assert re.findall(r"^row (\d+)", done.stdout, re.MULTILINE) == [str(n) for n in range(1, 41)]
    assert "50 rows (10 not shown; -o csv prints all)" in done.stdout
