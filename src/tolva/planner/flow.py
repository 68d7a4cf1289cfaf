"""Flows: rows on their way through a plan, described and not yet computed.

A flow has one or more **branches** (UNION ALL has several). A branch is a SELECT that every task of its **site** would
answer over what the task reads. Filters and projections only change the description; a flow becomes a stage's output
when its rows must move to other tasks, or when a query ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from tolva.plan import Column, Input, Reads, RowTest
from tolva.planner.algebra import Cast, Constant, Expr, Ref, UnsupportedError, map_refs, refs
from tolva.planner.quoting import quoted
from tolva.planner.row_tests import row_tests
from tolva.planner.sql import conjunction, expression, readable
from tolva.planner.sql_types import survives
from tolva.planner.statistics import ROW_BYTES

ONE_TASK: frozenset[str] = frozenset()
"""``Flow.together`` of a flow whose rows are all in one task."""


_GROUPING_SHRINKS_BY = 4

Named: TypeAlias = tuple[Column, Expr]
"""An expression over a flow's columns, and the column it becomes."""


@dataclass(frozen=True, slots=True)
class Site:
    """What each of some equal tasks reads: a chunk of a table, earlier outputs, or both."""

    table: str | None = None
    inputs: tuple[Input, ...] = ()

    def also(self, inputs: Iterable[Input]) -> Site:
        """Return the site whose tasks read ``inputs`` too."""
        return replace(self, inputs=tuple(dict.fromkeys((*self.inputs, *inputs))))

    @property
    def one_task(self) -> bool:
        """Whether there is exactly one such task, which reads all there is."""
        return self.table is None and all(i.reads is Reads.ALL for i in self.inputs)


@dataclass(frozen=True, slots=True)
class Branch:
    """``SELECT outputs FROM source WHERE where`` in every task of ``site``.

    ``outputs`` gives each symbol as an expression over the source's columns. ``reads`` are the columns of the site's
    table that ``source`` uses inside; with ``bare`` the source is the table itself. Rows of the table that fail one of
    the ``tests`` have no part in the answer.
    """

    site: Site
    source: str
    outputs: Mapping[str, Expr]
    where: tuple[Expr, ...] = ()
    reads: frozenset[str] = frozenset()
    bare: bool = False
    notes: tuple[str, ...] = ()
    tests: tuple[RowTest, ...] = ()

    @property
    def table_columns(self) -> frozenset[str]:
        """The columns of the site's table that are used in all."""
        return self.reads | (refs(*self.outputs.values(), *self.where) if self.bare else frozenset())

    def over(self, expr: Expr) -> Expr:
        """Return an expression over the outputs as one over the source."""
        changed: Expr = map_refs(expr, self._output)
        return changed

    def _output(self, ref: Ref) -> Expr:
        found = self.outputs.get(ref.name)
        if found is None:
            raise UnsupportedError(f"the column {ref.name} out of reach")
        # A bare literal takes the type that suits the expression around it; a column never does.
        return Cast(found, ref.type) if isinstance(found, Constant) else found

    def select(self, names: Iterable[str], *extra: str) -> str:
        """Return the SELECT of these outputs, and of further items given as SQL."""
        items = [item(self.outputs[name], name) for name in names]
        return self.select_items([*items, *extra])

    def select_items(self, items: Iterable[str]) -> str:
        """Return the SELECT of items over the source, given as SQL."""
        where = f" WHERE {conjunction(self.where)}" if self.where else ""
        source = f" FROM {self.source}" if self.source else ""
        return f"SELECT {', '.join(items) or '1 AS one'}{source}{where}"

    def items(self, made: Iterable[Named]) -> list[str]:
        """Return expressions over the outputs as items of a SELECT."""
        return [item(self.over(e), c.name) for c, e in made]

    def grouped(self, keys: Sequence[Named], made: Sequence[Named]) -> Branch:
        """Return one row for each group by ``keys``: the keys, and what is ``made`` of the group."""
        items = self.items((*keys, *made))
        return self.wrap(self.select_items(items) + group_by(len(keys)), [c for c, _ in (*keys, *made)])

    def wrap(self, sql: str, columns: Iterable[Column]) -> Branch:
        """Return the branch of all rows of ``sql``, a SELECT with these columns over the same source."""
        return replace(
            self,
            source=f"({sql}) AS r",
            outputs={c.name: Ref(c.name, c.type) for c in columns},
            where=(),
            reads=self.table_columns,
            bare=False,
        )

    def filter(self, predicates: Sequence[Expr]) -> Branch:
        """Return the branch of those rows for which all predicates, over its outputs, are true."""
        where = tuple(self.over(p) for p in predicates)
        note = f"where {' and '.join(readable(p) for p in where)}" if where else ""
        tests = row_tests(where) if self.bare else ()
        return replace(self, where=(*self.where, *where), tests=(*self.tests, *tests)).noting(note)

    def prune(self, names: frozenset[str]) -> Branch:
        """Return the branch with only these outputs."""
        return replace(self, outputs={n: e for n, e in self.outputs.items() if n in names})

    def noting(self, *notes: str) -> Branch:
        """Return the branch with notes for people on what was decided."""
        return replace(self, notes=tuple(dict.fromkeys(n for n in (*self.notes, *notes) if n)))


@dataclass(frozen=True, slots=True)
class Flow:
    """Rows of ``columns`` in the tasks of the branches' sites.

    ``together``: rows that agree in these columns are in one task (none: all rows are in one); None when nothing is
    known. ``bytes`` is a guess of how much there is.
    """

    branches: tuple[Branch, ...]
    columns: tuple[Column, ...]
    together: frozenset[str] | None
    bytes: int

    @property
    def in_one_task(self) -> bool:
        """Whether all the rows are in one task."""
        return self.together == ONE_TASK

    def filter(self, predicates: Iterable[Expr]) -> Flow:
        """Return the rows for which all predicates are true."""
        given = tuple(predicates)
        return replace(self, branches=tuple(b.filter(given) for b in self.branches))

    def project(self, exprs: Iterable[Expr], columns: tuple[Column, ...]) -> Flow:
        """Return one row of expressions for each row."""
        given = tuple(exprs)
        kept = {e.name: c.name for e, c in zip(given, columns, strict=True) if isinstance(e, Ref)}
        together = self.together
        if together is not None:
            together = frozenset(kept[k] for k in together) if together <= kept.keys() else None
        named = list(zip(columns, given, strict=True))
        return replace(
            self,
            branches=tuple(replace(b, outputs={c.name: b.over(e) for c, e in named}) for b in self.branches),
            columns=columns,
            together=together,
        )

    def prune(self, names: frozenset[str]) -> Flow:
        """Return the flow with only these columns; what is known of ``together`` may be lost."""
        together = self.together if self.together is not None and self.together <= names else None
        return replace(
            self,
            branches=tuple(b.prune(names) for b in self.branches),
            columns=tuple(c for c in self.columns if c.name in names),
            together=together,
        )

    def noting(self, *notes: str) -> Flow:
        """Return the flow with notes for people on what was decided."""
        return replace(self, branches=tuple(b.noting(*notes) for b in self.branches))


def grouped_bytes(flow: Flow, keys: Sequence[object]) -> int:
    """Guess how large the flow is once it is grouped by ``keys``."""
    return flow.bytes // _GROUPING_SHRINKS_BY if keys else ROW_BYTES


def arrived(column: Column, name: str | None = None) -> Expr:
    """Return a column of rows that came from elsewhere (called ``name`` there), of the type that it had there."""
    ref = Ref(name or column.name, column.type)
    return ref if survives(column.type) else Cast(ref, column.type)


def group_by(count: int) -> str:
    """Return a GROUP BY of the first ``count`` items of the SELECT; nothing for none."""
    return f" GROUP BY {', '.join(str(n + 1) for n in range(count))}" if count else ""


def item(expr: Expr, name: str) -> str:
    """Return ``expr AS name`` for a SELECT, or just the name where that says it all."""
    text, alias = expression(expr), quoted(name)
    return text if text == alias else f"{text} AS {alias}"
