"""Queries of a job without tables: there are no rows to spread, so one task runs each as it was written.

Apart from the planner, because such a question should be answered before the planner would even be loaded.
"""

from __future__ import annotations

from collections.abc import Mapping

from tolva.plan import Plan, Role, Stage
from tolva.planner import Query
from tolva.planner.binder import Binder
from tolva.planner.encode import encoded
from tolva.planner.names import Names
from tolva.planner.question import Asker


def plan_tableless(queries: Mapping[str, Query]) -> Plan:
    """Return the plan of the queries."""
    binder, names = Binder(), Names()
    asker = Asker(binder, {})
    stages = []
    for name, query in queries.items():
        question = asker.understand(name, query)
        result = encoded(question.sql, question.result)
        notes = ("gathered: there is no table whose rows could be spread",)
        stages.append(Stage(names.new(f"{name}_finish"), Role.FINISH, result=result, notes=notes))
    binder.close()
    return Plan(tuple(stages), 1, tuple(queries))
