"""A big table is parsed once for all queries, unless that would make some wait for a big table."""

from __future__ import annotations

import pytest

from tolva.plan import Column, Plan
from tolva.planner import Query, TableInfo, plan

BIG, SMALL = 10 * 2**30, 1000
TABLES = {
    "sales": TableInfo((Column("id", "BIGINT"), Column("shop", "INTEGER"), Column("paid", "DOUBLE")), BIG),
    "users": TableInfo((Column("id", "BIGINT"), Column("name", "VARCHAR")), BIG),
    "shops": TableInfo((Column("shop", "INTEGER"), Column("city", "INTEGER")), SMALL),
    "cities": TableInfo((Column("city", "INTEGER"), Column("name", "VARCHAR")), SMALL),
}
JOINED = "SELECT sales.id, city FROM sales JOIN shops ON sales.shop = shops.shop"
DEAR = "SELECT id, paid FROM sales WHERE paid > 75"
WAITS = "SELECT u.name FROM users u JOIN (SELECT id FROM sales ORDER BY paid DESC LIMIT 3) s ON u.id = s.id"


def planned(**queries: str) -> Plan:
    return plan({name: Query(sql) for name, sql in queries.items()}, TABLES)


def scans(made: Plan, table: str) -> list[tuple[str, ...]]:
    return [stage.columns for stage in made.stages if stage.table == table]


def test_a_join_with_a_small_table_shares_the_scan() -> None:
    assert scans(planned(joined=JOINED, dear=DEAR), "sales") == [("id", "shop", "paid")]


def test_small_tables_may_wait_for_small_tables() -> None:
    joined = f"SELECT j.id, name FROM ({JOINED}) j JOIN cities USING (city)"
    assert scans(planned(joined=joined, dear=DEAR), "sales") == [("id", "shop", "paid")]


def test_a_scan_that_waits_for_a_big_table_stays_apart() -> None:
    assert scans(planned(waits=WAITS, names="SELECT name FROM users"), "users") == [("name",), ("id", "name")]


@pytest.mark.parametrize("order", [1, -1])
def test_every_stage_comes_after_those_it_reads_from(order: int) -> None:
    queries = {"dear": DEAR, "joined": JOINED, "waits": WAITS, "names": "SELECT name FROM users"}
    made = planned(**dict(list(queries.items())[::order]))
    seen: set[str] = set()
    for stage in made.stages:
        assert made.needs(stage) <= seen
        seen.add(stage.name)
