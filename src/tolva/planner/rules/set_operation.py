"""INTERSECT and EXCEPT."""

from __future__ import annotations

from tolva.planner.algebra import Node, Ref, SetOperation, UnsupportedError
from tolva.planner.flow import ONE_TASK, Branch, Flow, Site
from tolva.planner.planning import Needed, Planning
from tolva.planner.quoting import quoted


def set_operation(node: Node, needed: Needed, planning: Planning) -> Flow | None:  # noqa: ARG001 - the shape of a rule
    """``a EXCEPT b``: equal rows of both sides meet in hash partitions of the whole row, and are compared there."""
    if not isinstance(node, SetOperation):
        return None
    sides = [planning.flow(side, frozenset(c.name for c in side.columns)) for side in (node.left, node.right)]
    names = [[c.name for c in side.columns] for side in (node.left, node.right)]
    if any(len(set(n)) != len(n) for n in names) or not names[0]:
        raise UnsupportedError(node.name.lower())
    why = f"equal rows of both sides meet: {node.name.lower()}{' all' if node.every else ''}"
    left, right = planning.draft.meet(list(zip(sides, names, strict=True)), why)
    (one,), (other,) = left.branches, right.branches
    word = f"{node.name} ALL" if node.every else node.name
    listed = ", ".join(quoted(c.name) for c in node.columns)
    source = f"({one.select(names[0])} {word} {other.select(names[1])}) AS s({listed})"
    branch = Branch(
        site=Site(inputs=one.site.inputs).also(other.site.inputs),
        source=source,
        outputs={c.name: Ref(c.name, c.type) for c in node.columns},
    ).noting(*one.notes, *other.notes)
    together = ONE_TASK if left.in_one_task else frozenset(c.name for c in node.columns)
    return Flow((branch,), node.columns, together, max(left.bytes, right.bytes))
