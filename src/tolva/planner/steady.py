"""Functions whose value isn't fixed by their arguments: a query that calls one can't be computed in pieces."""

from __future__ import annotations

from typing import Any

from tolva.planner.algebra import Call, Node, UnsupportedError, walk
from tolva.planner.gate import objects

VOLATILE = frozenset({"random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "error"})
"""Those that a query may call and that have a value of their own for each row."""


def steady(node: Node) -> Node:
    """Return the operator. UnsupportedError if a value in it changes from row to row."""
    for part in walk(node):
        if isinstance(part, Call) and part.name in VOLATILE:
            raise UnsupportedError(f"{part.name}() isn't fixed by its arguments")
    return node


def volatile_calls(bound: dict[str, Any]) -> list[str]:
    """Return the names of the functions in a bound plan whose value changes from row to row."""
    functions = (part for part in objects(bound) if part.get("expression_class") == "BOUND_FUNCTION")
    return sorted({part["qname"]["path"][-1] for part in functions} & VOLATILE)
