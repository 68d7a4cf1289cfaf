"""Functions whose value isn't fixed by their arguments: a query that calls one can't be computed in pieces."""

from __future__ import annotations

from tolva.planner.algebra import Call, Node, UnsupportedError, walk

VOLATILE = frozenset({"random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid", "error"})
"""Those that a query may call and that have a value of their own for each row."""


def steady(node: Node) -> Node:
    """Return the operator. UnsupportedError if a value in it changes from row to row."""
    for part in walk(node):
        if isinstance(part, Call) and part.name in VOLATILE:
            raise UnsupportedError(f"{part.name}() isn't fixed by its arguments")
    return node
