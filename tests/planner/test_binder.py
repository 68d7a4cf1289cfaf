"""A binder's database serves the next one, and nothing of a job is left in it."""

from __future__ import annotations

import pytest

from tolva.plan import Column
from tolva.planner.binder import Binder, Refusal


def test_the_next_binder_knows_nothing_of_the_one_before() -> None:
    first = Binder()
    first.create("Odd name", (Column("a", "INTEGER"),))
    first.create("t", (Column("a", "INTEGER"),))
    first.drop("t")
    first.close()
    second = Binder()
    with pytest.raises(Refusal, match="Odd name"):
        second.describe('SELECT a FROM "Odd name"')
    second.create("ODD NAME", (Column("b", "VARCHAR"),))
    assert second.describe('SELECT * FROM "Odd name"') == (Column("b", "VARCHAR"),)
    second.close()
    third = Binder({"odd name": (Column("c", "DATE"),), "u": (Column("d", "DATE"),)})
    assert third.describe('SELECT * FROM "Odd name"') == (Column("c", "DATE"),)
    assert third.tables_of('SELECT * FROM "Odd name", u') == {"odd name", "u"}
    third.close()


def test_two_at_once_are_apart() -> None:
    first, second = Binder(), Binder()
    first.create("t", (Column("a", "INTEGER"),))
    second.create("t", (Column("b", "VARCHAR"),))
    assert first.describe("FROM t") == (Column("a", "INTEGER"),)
    assert second.describe("FROM t") == (Column("b", "VARCHAR"),)
    first.close()
    second.close()
