"""Rows of a table: every chunk is a task's, and only the columns somebody uses leave the parser."""

from __future__ import annotations

from tolva.planner.algebra import Node, Scan
from tolva.planner.flow import Branch, Flow, Site, arrived
from tolva.planner.planning import Needed, Planning
from tolva.planner.quoting import quoted


def scan(node: Node, needed: Needed, planning: Planning) -> Flow | None:
    """``FROM t``: a scan stage of t; filters and projections on top become part of what its tasks answer."""
    if not isinstance(node, Scan):
        return None
    known = [(c, name) for c, name in zip(node.columns, node.names, strict=True) if name and c.name in needed]
    branch = Branch(
        site=Site(table=node.table),
        source=quoted(node.table),
        outputs={c.name: arrived(c, name) for c, name in known},
        bare=True,
    )
    return Flow((branch,), tuple(c for c, _ in known), None, planning.table_bytes[node.table])
