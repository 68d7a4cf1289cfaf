"""What every rule works with: the draft of the plan, and a way to plan the operators below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tolva.plan import Column
from tolva.planner.algebra import Node, UnsupportedError
from tolva.planner.binder import Binder
from tolva.planner.draft import Draft
from tolva.planner.estimates import Estimates
from tolva.planner.flow import Flow
from tolva.planner.names import Names

Needed: TypeAlias = frozenset[str]
"""The symbols of an operator's columns that somebody above uses."""


@dataclass(slots=True)
class Planning:
    """The planning of one query.

    ``table_bytes`` says how large each table is; ``broadcast_bytes`` up to what size rows are sent to every task.
    ``estimates`` are those of a query in which sizes matter.
    """

    rules: Sequence[Rule]
    binder: Binder
    draft: Draft
    names: Names
    table_bytes: dict[str, int]
    broadcast_bytes: int
    estimates: Estimates | None = None
    shared: dict[int, Flow] = field(default_factory=dict)

    def flow(self, node: Node, needed: Needed) -> Flow:
        """Return the flow of the operator's rows, with at least the needed columns."""
        for rule in self.rules:
            flow = rule(node, needed, self)
            if flow is not None:
                return self._sized(flow, node)
        raise UnsupportedError(type(node).__name__.lower())

    def _sized(self, flow: Flow, node: Node) -> Flow:
        if self.estimates is None or not flow.bytes:
            return flow
        return replace(flow, bytes=self.estimates.bytes(node, [c.name for c in flow.columns]))

    def new_columns(self, wishes: Sequence[tuple[str, str]]) -> tuple[Column, ...]:
        """Return columns with new symbols for these (wished name, type)."""
        return tuple(Column(self.names.new(wish), type_) for wish, type_ in wishes)


Rule: TypeAlias = Callable[[Node, Needed, Planning], Flow | None]
