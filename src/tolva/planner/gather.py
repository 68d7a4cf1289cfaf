"""The answer to everything: one task runs the query as it was written, over the rows of its tables.

Only the columns that the query can see leave the parser. Whether that is all it needs isn't guessed: the query is
bound again over tables of just those columns, and must mean the same.
"""

from __future__ import annotations

from typing import Any

from tolva.plan import Column, Input, Reads
from tolva.planner.algebra import Ref
from tolva.planner.binder import Binder, Refusal
from tolva.planner.draft import Draft
from tolva.planner.encode import encoded
from tolva.planner.expressions import NO_COLUMN
from tolva.planner.flow import Branch, Site
from tolva.planner.question import Question
from tolva.planner.quoting import quoted
from tolva.planner.sql_types import survives

Tables = dict[str, tuple[Column, ...]]


def gather(draft: Draft, binder: Binder, tables: Tables, question: Question, *, why: str) -> None:
    """End the query with a task that runs it as it is over all rows of the tables it names."""
    sql, plan = question.sql, question.bound
    used = _used(plan, tables) if plan else _all_columns(binder, tables, sql)
    if plan and not _suffices(binder, tables, used, sql, plan):
        used = {name: tables[name] for name in used}
    inputs, ctes = [], []
    for name, columns in used.items():
        outputs = {c.name: Ref(c.name, c.type) for c in columns}
        output = draft.emit(Branch(Site(table=name), quoted(name), outputs, bare=True), columns).name
        if all(survives(c.type) for c in columns):
            inputs.append(Input(name, output, Reads.ALL))
        else:
            inputs.append(Input(output, output, Reads.ALL))
            ctes.append(f"{quoted(name)} AS ({_arrived(output, columns)})")
    draft.end(encoded(sql, question.result, ctes), inputs, (f"gathered: {why}",))


def _arrived(output: str, columns: tuple[Column, ...]) -> str:
    """Return the SELECT that gives a table's rows the types back that they lost on the way."""
    listed = ", ".join(f"CAST({quoted(c.name)} AS {c.type}) AS {quoted(c.name)}" for c in columns)
    return f"SELECT {listed} FROM {quoted(output)}"


def _used(plan: dict[str, Any], tables: Tables) -> Tables:
    """Return the columns that the binder found in use, in the tables' own order."""
    numbers: dict[str, set[int]] = {}
    for get in _scans(plan):
        name = get["function_data"]["table"]
        numbers.setdefault(name, set()).update(c["index"] for c in get["column_indexes"] if c["index"] < NO_COLUMN)
    return {name: tuple(tables[name][n] for n in sorted(found)) or tables[name][:1] for name, found in numbers.items()}


def _all_columns(binder: Binder, tables: Tables, sql: str) -> Tables:
    named = binder.tables_of(sql)
    return {name: columns for name, columns in tables.items() if name.lower() in named}


def _suffices(binder: Binder, tables: Tables, used: Tables, sql: str, plan: dict[str, Any]) -> bool:
    """Whether the query means the same over tables of only these columns."""
    try:
        for name, columns in used.items():
            binder.create(name, columns)
        again = binder.bind(sql)
    except Refusal:
        return False
    finally:
        for name in used:
            binder.create(name, tables[name])
    return again is not None and _bare(again) == _bare(plan)


def _scans(plan: dict[str, Any]) -> list[dict[str, Any]]:
    own = [plan] if plan["type"] == "LOGICAL_GET" and plan["qname"]["path"][-1] == "seq_scan" else []
    return own + [get for child in plan["children"] for get in _scans(child)]


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(v) for v in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "LOGICAL_GET" and value["qname"]["path"][-1] == "seq_scan":
        return {"table": value["function_data"]["table"], "columns": len(value["column_indexes"])}
    return {k: _bare(v) for k, v in value.items()}
