"""Tables, columns and queries may be called anything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from judge import How, Judge, judge

from tolva.planner import Query, plan

STATEMENTS = (
    'CREATE TABLE "My Table" ("a b" INTEGER, "SELECT" INTEGER, "x""y" VARCHAR, __partition INTEGER, r INTEGER)',
    """INSERT INTO "My Table" SELECT i % 3, i, 'v' || (i % 2), i % 4, i % 5 FROM range(50) t(i)""",
    'CREATE TABLE "order" (a INTEGER, b INTEGER, l INTEGER, one INTEGER)',
    'INSERT INTO "order" SELECT i % 3, i % 7, i, 1 FROM range(30) t(i)',
    "CREATE TABLE q_rows (a INTEGER)",
    "INSERT INTO q_rows VALUES (1), (2)",
    'CREATE TABLE "Größe" ("Länge" DOUBLE, "ß" VARCHAR)',
    """INSERT INTO "Größe" VALUES (1.5, 'ä'), (2.5, NULL)""",
)


@pytest.fixture(scope="module")
def oddly_named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with judge(tmp_path_factory.mktemp("names"), STATEMENTS) as one:
        yield one


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT * FROM "My Table"',
        'SELECT "a b", sum("SELECT") AS "from", max("x""y") FROM "my table" GROUP BY "a b"',
        'SELECT __PARTITION, R, count(*) FROM "MY TABLE" GROUP BY ALL',
        'SELECT "a b" AS __line, r AS __partition FROM "My Table" WHERE "SELECT" > 40',
        'SELECT a.a, b.b, a.l FROM "order" a JOIN "order" b ON a.a = b.b',
        'SELECT one, l, a FROM "order" WHERE b = 3 ORDER BY ALL LIMIT 3',
        "SELECT a, count(*) FROM q_rows GROUP BY a",
        'SELECT q_rows.a, l FROM q_rows JOIN "order" USING (a)',
        'SELECT "Länge" AS "ÄÖ", "ß" FROM "Größe" UNION ALL SELECT 1, \'x\' FROM q_rows',
        'WITH "order" AS (SELECT "a b" AS a FROM "My Table") SELECT a, count(*) FROM "order" GROUP BY a',
        'SELECT main."order".a FROM main."order" ASOF JOIN q_rows ON "order".a >= q_rows.a',
        'SELECT list_transform([r], lambda r: r + 1) FROM "My Table"',
        'SELECT list_transform([r], lambda x: x + "a b") FROM (SELECT r, "a b" FROM "My Table")',
    ],
)
def test_names_are_never_taken_for_something_else(oddly_named: Judge, sql: str) -> None:
    for how in (How(), How(partitions=1, broadcast_bytes=10**12), How(broadcast_bytes=10**6)):
        oddly_named.check(sql, how)


def test_queries_with_names_alike_keep_apart(oddly_named: Judge) -> None:
    queries = {name: Query("SELECT a, count(*) FROM q_rows GROUP BY a") for name in ("q", "Q", "q!", "größe", "1")}
    made = plan(queries, oddly_named.tables)
    names = [stage.name for stage in made.stages] + [o.name for stage in made.stages for o in stage.outputs]
    assert len({name.lower() for name in names}) == len(names)
    assert made.queries == tuple(queries)
    assert [made.result_of(name).query for name in queries] == list(queries)


def test_the_judge_judges(tmp_path: Path) -> None:
    # A judge that finds nothing wrong with anything would pass every test here.
    with judge(tmp_path, STATEMENTS) as one:
        one.rows["q_rows"] = one.rows["q_rows"].slice(1)
        with pytest.raises(AssertionError):
            one.check("SELECT sum(a) FROM q_rows", How())
