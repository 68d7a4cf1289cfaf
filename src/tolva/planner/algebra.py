"""What a query means, as DuckDB's own binder understood it: expressions and operators as plain records.

DuckDB parses and binds every query against empty tables and hands its logical plan back as JSON: names are resolved,
stars and aliases expanded, types settled, casts made visible, correlated subqueries turned into joins. Here that
becomes a small algebra. Every column an operator makes gets a **symbol**, unique in the query, so that expressions can
move between operators without renaming.

What isn't known here raises ``UnsupportedError``, and the query is gathered: a wrong guess would be a wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from tolva.plan import Column


class UnsupportedError(Exception):
    """The planner doesn't know this shape; the text says which, for the note in the plan."""


# -- expressions --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ref:
    """The value of a column, by its symbol."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal, as SQL text of exactly its type."""

    sql: str
    type: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function, operator, comparison or logical connective over ``args``; ``infix`` when written between them.

    The last arguments have ``names``, where a function takes some by name.
    """

    name: str
    args: tuple[Expr, ...]
    type: str
    infix: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cast:
    """``arg`` as ``type``; with ``lenient`` what can't be cast is NULL."""

    arg: Expr
    type: str
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """The result of the first condition that holds."""

    conditions: tuple[Expr, ...]
    results: tuple[Expr, ...]
    otherwise: Expr
    type: str


@dataclass(frozen=True, slots=True)
class Order:
    """One key of an ORDER BY, with nothing left to defaults."""

    expr: Expr
    descending: bool
    nulls_first: bool


@dataclass(frozen=True, slots=True)
class AggregateCall:
    """An aggregate function; ``distinct``, ``filter`` and ``order`` as in SQL."""

    name: str
    args: tuple[Expr, ...]
    type: str
    distinct: bool = False
    filter: Expr | None = None
    order: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowCall:
    """A window function with its whole window; the frame's ends in DuckDB's words."""

    name: str
    args: tuple[Expr, ...]
    type: str
    partitions: tuple[Expr, ...]
    orders: tuple[Order, ...]
    start: str
    end: str
    start_expr: Expr | None
    end_expr: Expr | None
    exclude: str
    ignore_nulls: bool
    distinct: bool
    filter: Expr | None
    arg_orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the lambda around it."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Lambda:
    """A function of ``parameters``, written where a list function takes one."""

    parameters: tuple[str, ...]
    body: Expr
    type: str = "LAMBDA"


Expr: TypeAlias = Ref | Constant | Call | Cast | Case | AggregateCall | WindowCall | Parameter | Lambda


def rewrite(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return an expression or operator with ``change`` made to every part for which it doesn't return None."""
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, tuple):
        listed = tuple(rewrite(v, change) for v in value)
        return value if all(new is old for new, old in zip(listed, value, strict=True)) else listed
    changed = change(value)
    if changed is not None:
        return changed
    parts = {name: getattr(value, name) for name in value.__dataclass_fields__}
    new = {name: rewrite(part, change) for name, part in parts.items()}
    return value if all(new[name] is part for name, part in parts.items()) else replace(value, **new)


def map_refs(expr: Any, change: Callable[[Ref], Expr]) -> Any:
    """Return the expression with every column reference replaced by what ``change`` makes of it."""
    return rewrite(expr, lambda part: change(part) if isinstance(part, Ref) else None)


def walk(expr: Any) -> Iterator[Any]:
    """Yield the expression and everything below it."""
    if isinstance(expr, tuple):
        for one in expr:
            yield from walk(one)
    elif expr is not None and not isinstance(expr, (str, int)):
        yield expr
        for name in expr.__dataclass_fields__:
            yield from walk(getattr(expr, name))


def refs(*exprs: Any) -> frozenset[str]:
    """Return the symbols that the expressions refer to."""
    return frozenset(e.name for e in walk(exprs) if isinstance(e, Ref))


# -- operators ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scan:
    """The rows of a table; ``names`` are the table's own names of the columns."""

    table: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """Rows that are written in the query itself."""

    rows: tuple[tuple[Expr, ...], ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows for which every predicate is true."""

    child: Node
    predicates: tuple[Expr, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The child's."""
        return self.child.columns


@dataclass(frozen=True, slots=True)
class Project:
    """One row of expressions for each row."""

    child: Node
    exprs: tuple[Expr, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One row for each group of each grouping set; columns are the groups, the aggregates, the GROUPING() calls."""

    child: Node
    groups: tuple[Expr, ...]
    grouping_sets: tuple[tuple[int, ...], ...]
    aggregates: tuple[AggregateCall, ...]
    grouping_calls: tuple[tuple[int, ...], ...]
    columns: tuple[Column, ...]


NULL_SAFE = frozenset({"IS DISTINCT FROM", "IS NOT DISTINCT FROM"})
"""Comparisons that are never NULL."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a join: ``left comparison right``, each side over its own child's columns."""

    left: Expr
    comparison: str
    right: Expr


@dataclass(frozen=True, slots=True)
class Join:
    """The join of two operators. ``kind`` is inner, left, right, full, semi, anti, mark or single.

    ``conditions`` and ``others`` (over both sides' columns) must all hold. A mark join keeps the left rows and adds
    ``mark``: whether a partner was found, with SQL's NULLs. ``columns`` are those of the sides that the kind keeps.
    """

    kind: str
    left: Node
    right: Node
    conditions: tuple[Condition, ...]
    others: tuple[Expr, ...]
    columns: tuple[Column, ...]
    mark: Column | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """The child's columns and one more for each window function."""

    child: Node
    calls: tuple[WindowCall, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Unnest:
    """A row for each element of the lists, beside the child's columns; the shorter lists filled up with NULL."""

    child: Node
    lists: tuple[Expr, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Distinct:
    """One row for each value of ``on``: with ``order`` the first in that order, otherwise the first there is."""

    child: Node
    on: tuple[Expr, ...]
    whole_rows: bool
    order: tuple[Order, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The child's."""
        return self.child.columns


@dataclass(frozen=True, slots=True)
class Sort:
    """The child's rows in order."""

    child: Node
    orders: tuple[Order, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The child's."""
        return self.child.columns


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``count`` of the child's rows (None: all), after the first ``offset``."""

    child: Node
    count: int | None
    offset: int

    @property
    def columns(self) -> tuple[Column, ...]:
        """The child's."""
        return self.child.columns


@dataclass(frozen=True, slots=True)
class UnionAll:
    """The rows of the children, one child after the other."""

    children: tuple[Node, ...]
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class SetOperation:
    """INTERSECT or EXCEPT of two children with the same types; with ``every`` as often as SQL's ALL keeps a row."""

    name: str
    every: bool
    left: Node
    right: Node
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Cte:
    """``body``, in which ``Shared`` nodes of that ``index`` stand for the rows of ``definition``."""

    index: int
    definition: Node
    body: Node

    @property
    def columns(self) -> tuple[Column, ...]:
        """The body's."""
        return self.body.columns


@dataclass(frozen=True, slots=True)
class Shared:
    """The rows of the CTE of that index, under symbols of its own."""

    index: int
    columns: tuple[Column, ...]


Node: TypeAlias = (
    Scan
    | Values
    | Filter
    | Project
    | Aggregate
    | Join
    | Window
    | Unnest
    | Distinct
    | Sort
    | Limit
    | UnionAll
    | SetOperation
    | Cte
    | Shared
)


def symbols(node: Node) -> frozenset[str]:
    """Return the symbols of the node's columns."""
    return frozenset(c.name for c in node.columns)


def children(node: Node) -> tuple[Node, ...]:
    """Return the operators whose rows this one reads, the left one first."""
    match node:
        case Scan() | Values() | Shared():
            return ()
        case Join() | SetOperation():
            return (node.left, node.right)
        case UnionAll():
            return node.children
        case Cte():
            return (node.definition, node.body)
        case _:
            return (node.child,)


def rebuilt(node: Node, children: Sequence[Node]) -> Node:
    """Return the operator over other children, which have the columns that it uses."""
    match node:
        case Scan() | Values() | Shared():
            return node
        case Join() | SetOperation():
            return replace(node, left=children[0], right=children[1])
        case UnionAll():
            return replace(node, children=tuple(children))
        case Cte():
            return replace(node, definition=children[0], body=children[1])
        case _:
            return replace(node, child=children[0])
