"""Functions whose value isn't fixed by their arguments.

What changes from row to row can't be computed in pieces. What is one value for a whole query, like ``now()``, becomes
the value it has while the job is planned: one for all tasks.
"""

from __future__ import annotations

from typing import Any

from tolva.planner.algebra import Call, Cast, Constant, Node, UnsupportedError, rewrite
from tolva.planner.binder import Binder
from tolva.planner.quoting import quoted
from tolva.planner.sql import literal

VOLATILE = frozenset({
    "random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "nextval", "currval", "setval", "setseed", "sleep_ms",
    "error", "write_log", "stats", "vector_type", "current_query", "current_query_id", "current_transaction_id",
    "current_connection_id",
})  # fmt: skip
ONE_MOMENT = frozenset({
    "now", "transaction_timestamp", "get_current_timestamp", "get_current_time", "current_date", "today",
})  # fmt: skip
OF_THE_SESSION = frozenset({
    "current_setting", "current_database", "current_schema", "current_schemas", "in_search_path", "txid_current",
    "getvariable",
})  # fmt: skip


def steady(node: Node, binder: Binder) -> Node:
    """Return the operator with moments made constant. UnsupportedError if a value changes from row to row."""

    def change(part: Any) -> Any:
        if not isinstance(part, Call):
            return None
        if part.name in VOLATILE or part.name in OF_THE_SESSION:
            raise UnsupportedError(f"{part.name}() isn't fixed by its arguments")
        if part.name in ONE_MOMENT:
            (text,) = binder.values([f"CAST({quoted(part.name)}() AS VARCHAR)"])
            return Cast(Constant(literal(text), "VARCHAR"), part.type)
        return None

    changed: Node = rewrite(node, change)
    return changed
