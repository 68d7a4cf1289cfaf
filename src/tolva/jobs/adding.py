"""The smallest job: the sum of two numbers. Its plan is always the same, so no child has to make it."""

from __future__ import annotations

from tolva.jobs.documents import JobDocument, validate
from tolva.plan import Column, Format, Plan, Result, Role, Stage

QUERY = "sum"
MAX_NUMBER = 2**63 - 1


def document(a: int, b: int) -> JobDocument:
    """Return the job document that asks for the sum of two numbers of at most 64 bits."""
    return validate({"kind": "query", "queries": {QUERY: {"sql": _sql(a, b), "format": "ndjson"}}}, "add")


def plan(a: int, b: int) -> Plan:
    """Return the plan of that document."""
    lines = f"SELECT concat(to_json(struct_pack(sum := c0)), chr(10)) AS __line FROM ({_sql(a, b)}) AS answer(c0)"
    result = Result(QUERY, Format.NDJSON, (Column("sum", "HUGEINT"),), lines, lines=True)
    return Plan((Stage(f"{QUERY}_finish", Role.FINISH, result=result),), partitions=1, queries=(QUERY,))


def _sql(a: int, b: int) -> str:
    return f"SELECT ({a})::HUGEINT + ({b})::HUGEINT AS sum"
