"""The plan of each shape, as ``tolva explain`` shows it: read plans/*.md to see what the rules do.

With TOLVA_WRITE_PLANS=1 the files are written anew instead of compared; read the difference before you commit it.
"""

from __future__ import annotations

import inspect
import os
import re
from pathlib import Path

import pytest

from tolva.plan import Column, Plan
from tolva.planner import Query, TableInfo, plan
from tolva.planner.explain import render
from tolva.planner.rules import RULES

FILES = sorted((Path(__file__).parent / "plans").glob("*.md"))
CASE = re.compile(r"```sql\n(?P<sql>.*?)\n```\n\n```text\n(?P<tree>.*?)```\n", re.DOTALL)

TABLES = {
    "sales": TableInfo(
        (
            Column("shop", "INTEGER"),
            Column("amount", "BIGINT"),
            Column("price", "DECIMAL(18,3)"),
            Column("item", "VARCHAR"),
            Column("day", "DATE"),
            Column("paid", "BOOLEAN"),
        ),
        bytes=10**9,
    ),
    "shops": TableInfo((Column("shop", "INTEGER"), Column("Name", "VARCHAR"), Column("size", "DOUBLE")), bytes=1000),
}


def planned(sql: str) -> Plan:
    queries = [text.strip() for text in sql.split(";\n")]
    return plan({f"q{n}": Query(text) for n, text in enumerate(queries, 1)}, TABLES, partitions=16)


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_plans_are_as_documented(path: Path) -> None:
    text = path.read_text()
    drawn = CASE.sub(lambda case: case[0].replace(f"```text\n{case['tree']}", f"```text\n{_tree(case['sql'])}"), text)
    if os.environ.get("TOLVA_WRITE_PLANS"):
        path.write_text(drawn)
    assert drawn == path.read_text()


def test_every_rule_is_documented() -> None:
    rules = {Path(str(inspect.getsourcefile(rule))).stem for rule in RULES}
    assert rules <= {path.stem for path in FILES}


def _tree(sql: str) -> str:
    return render(planned(sql)).replace("\n\n", "\n")


def test_a_plan_survives_being_kept_as_json() -> None:
    made = planned("SELECT shop, sum(amount) FROM sales GROUP BY shop;\nSELECT item FROM sales")
    assert Plan.from_json(made.to_json()) == made


def test_tiny_tables_need_no_partitions() -> None:
    small = {name: TableInfo(table.columns, 1000) for name, table in TABLES.items()}
    made = plan({"q": Query("SELECT shop, count(*) FROM sales GROUP BY shop")}, small)
    assert made.partitions == 1
    assert [stage.name for stage in made.stages] == ["scan_sales", "q_finish"]
