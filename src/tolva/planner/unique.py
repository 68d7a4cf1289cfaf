"""Which columns no two rows of an operator agree in."""

from __future__ import annotations

from tolva.planner.algebra import Aggregate, Condition, Distinct, Filter, Join, Limit, Node, Project, Ref, Sort, Window

_ONE_SIDED = frozenset({"semi", "anti", "mark"})
_KEEP_LEFT_ROWS = frozenset({"inner", "left", "single"})


def unique_by(node: Node) -> frozenset[str] | None:
    """Return columns in which all rows differ (none: there is at most one row); None when nothing is known."""
    keys: frozenset[str] | None = None
    match node:
        case Aggregate() if len(node.grouping_sets) == 1 and len(node.grouping_sets[0]) == len(node.groups):
            keys = frozenset(c.name for c in node.columns[: len(node.groups)])
        case Distinct() if node.whole_rows:
            keys = frozenset(c.name for c in node.columns)
        case Filter() | Sort() | Limit() | Window():
            keys = unique_by(node.child)
        case Project():
            keys = _renamed(unique_by(node.child), node)
        case Join() if node.kind in _ONE_SIDED or (node.kind in _KEEP_LEFT_ROWS and has_one_partner(node)):
            keys = unique_by(node.left)
    return keys


def has_one_partner(node: Join) -> bool:
    """Whether every row of the left side has at most one partner on the right."""
    keys = unique_by(node.right)
    return keys is not None and keys <= {_right_column(c) for c in node.conditions}


def _right_column(condition: Condition) -> str:
    same = condition.comparison in ("=", "IS NOT DISTINCT FROM")
    return condition.right.name if same and isinstance(condition.right, Ref) else ""


def _renamed(keys: frozenset[str] | None, node: Project) -> frozenset[str] | None:
    given = {e.name: c.name for e, c in zip(node.exprs, node.columns, strict=True) if isinstance(e, Ref)}
    return frozenset(given[k] for k in keys) if keys is not None and keys <= given.keys() else None
