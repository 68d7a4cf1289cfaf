"""The time is one value for a whole job, however many tasks ask for it and however often."""

from __future__ import annotations

import pytest
from judge import How, Judge

from tolva.errors import QueryError
from tolva.plan import Column, Plan, Result
from tolva.planner import Query, TableInfo, plan

TABLES = {"t": TableInfo((Column("a", "INTEGER"), Column("sold", "TIMESTAMP"), Column("user", "VARCHAR")), 10**9)}
CLOCKS = ("now", "today", "current_date", "current_time", "current_timestamp", "localtime", "get_current_t")


def planned(*queries: str) -> Plan:
    return plan({f"q{n}": Query(sql) for n, sql in enumerate(queries)}, TABLES)


def sql_of(made: Plan) -> str:
    results = [stage.result.sql or "" for stage in made.stages if isinstance(stage.result, Result)]
    return " ".join(results + [output.sql for stage in made.stages for output in stage.outputs])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a, now() AS moment FROM t",
        "SELECT a FROM t WHERE sold < now() - INTERVAL '1 day'",
        "SELECT a, random(), current_timestamp FROM t",
        "SELECT median(a), localtimestamp FROM t",
        "SELECT a, localtime, current_time, today() FROM t GROUP BY ALL ORDER BY current_date",
        'WITH c AS (SELECT "now"() AS n) SELECT * FROM c, c AS d, t WHERE sold < transaction_timestamp ( )',
        "SELECT now().year(), [x + extract(year FROM now()) FOR x IN [1]] FROM t",
        "SELECT 'größer', main.now() FROM t",
        "SELECT count(*) FILTER (sold < now()) OVER (PARTITION BY a) FROM t",
        "WITH RECURSIVE r AS (SELECT 1 AS a, now() AS b UNION ALL SELECT a + 1, b FROM r WHERE a < 3) FROM r",
        "SELECT (SELECT now()), EXISTS (SELECT 1 FROM t WHERE sold > now()), current_date IN (SELECT sold FROM t)",
        "FROM range(extract(year FROM now())::INTEGER), t",
    ],
)  # fmt: skip
def test_no_task_reads_a_clock(sql: str) -> None:
    text = sql_of(planned(sql)).lower()
    assert "now()" not in text
    assert not [clock for clock in CLOCKS if f"{clock}()" in text or f" {clock} " in text]


def test_all_queries_of_a_job_see_one_time(the_judge: Judge) -> None:
    made = plan({n: Query(f"SELECT {n}() AS t") for n in ("now", "transaction_timestamp")}, the_judge.tables)
    one, other = (made.result_of(n).sql or "" for n in ("now", "transaction_timestamp"))
    assert one.partition("CAST(")[2][:40] == other.partition("CAST(")[2][:40] != ""


def test_the_time_is_the_time(the_judge: Judge) -> None:
    sql = (
        "SELECT count(*) FROM sales WHERE sold_at < now() AND day <= current_date AND now() > TIMESTAMPTZ '2026-01-01'"
    )
    the_judge.check(sql, How())


def test_names_of_columns_stay() -> None:
    made = planned("SELECT now(), current_date, sold < today() FROM t")
    assert [c.name for c in made.result_of("q0").columns] == ["now()", "current_date", "(sold < today())"]


def test_a_column_may_be_called_like_a_word() -> None:
    made = planned('SELECT user, t.user, "user" FROM t')
    assert [c.type for c in made.result_of("q0").columns] == ["VARCHAR"] * 3


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT age(sold) FROM t", "age() of one time reads the clock unseen. Write age(current_date, x)."),
        ("SELECT sold.age() FROM t", "age() of one time reads the clock unseen."),
        ("SELECT ago('1 day')", "ago() isn't allowed: it reads the clock where nobody sees it."),
        ("SELECT current_date, a AS current_date FROM t", "current_date may be a column or the time."),
        ('SELECT "now()" FROM (SELECT now())', "Give it a name, as in: WITH t AS (SELECT now() AS moment)"),
    ],
)
def test_a_time_that_cannot_be_fixed_is_refused(sql: str, said: str) -> None:
    with pytest.raises(QueryError) as caught:
        planned(sql)
    assert said in caught.value.message


def test_age_of_two_times_is_fixed_by_them(the_judge: Judge) -> None:
    the_judge.check("SELECT age(sold_at, TIMESTAMP '2024-01-01'), sold_at.age(sold_at) FROM sales", How())
