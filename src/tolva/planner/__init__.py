"""From SQL to a plan of tasks whose answer is DuckDB's answer over the same rows.

DuckDB is the reader: it parses and binds the query, and the planner works on the bound plan (``operators``). Every
expression that is written back as SQL is proven to say the same (``proof``). Filters move down (``pushdown``), the
``rules`` decide where rows must meet, and ``draft`` collects the stages. Whatever isn't understood is gathered.

``now()`` and its like are one value for the whole job: the time at which it was planned (``moments``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tolva.plan import Column, Format, Plan

if TYPE_CHECKING:
    import pyarrow as pa

    from tolva.model import NewFile

_TINY_BYTES = 8 * 2**20
_PARTITIONS = ((2**28, 8), (2**30, 16), (2**32, 32), (2**34, 64))  # tables up to this size, and how many are enough
_PARTITIONS_MAX = 128
_BROADCAST_BYTES = 8 * 2**20

UNKNOWN_BYTES = 2**40
"""What a file whose length nobody knows counts for: too large to be sent to every task."""

IN_PLACE_BYTES = 512 * 2**20
"""Tables of a query up to this size in all are read in place, where they can be."""


@dataclass(frozen=True, slots=True)
class Query:
    """One SELECT, and how its answer is written."""

    sql: str
    format: Format = Format.CSV


@dataclass(frozen=True, slots=True)
class Sample:
    """Some records of a table, and the share of the whole table that they are."""

    rows: pa.Table
    share: float


Sampler: TypeAlias = Callable[[Sequence[str]], Sample | None]
"""Reads a sample of some columns, always of the same records; None when there are none."""


@dataclass(frozen=True, slots=True)
class TableInfo:
    """A table's columns, with DuckDB's types, its size as far as it is known, and a way to see some of its records.

    ``files`` are given where DuckDB's own reader of Parquet finds just these columns in them. ``column_bytes`` says how
    large each column is where columns can be read apart.
    """

    columns: tuple[Column, ...]
    bytes: int
    sample: Sampler | None = None
    files: tuple[NewFile, ...] | None = None
    column_bytes: Mapping[str, int] | None = None


def plan(
    queries: Mapping[str, Query],
    tables: Mapping[str, TableInfo],
    *,
    partitions: int | None = None,
    broadcast_bytes: int = _BROADCAST_BYTES,
    in_place_bytes: int = IN_PLACE_BYTES,
) -> Plan:
    """Return the plan that answers the queries, each by its name, over the tables.

    Args:
        queries: the questions.
        tables: what they may ask about. Names are the same in upper and lower case.
        partitions: into how many hash partitions rows are spread between stages; by default chosen from the tables'
            size. 1 means that rows always meet in one task.
        broadcast_bytes: the size up to which one side of a join is read by every task of the other.
        in_place_bytes: the size up to which, together, a query's tables are read by one task where they lie, if they
            can be. 0 means that rows are always spread over tasks.

    Raises:
        QueryError: a query isn't one SELECT, names what isn't there, or can't be typed. The text shows the place.
    """
    if not tables:
        from tolva.planner.tableless import plan_tableless  # noqa: PLC0415 - see below

        return plan_tableless(queries)
    from tolva.planner.planner import Planner  # noqa: PLC0415 - loads DuckDB, which a mere Query needn't

    total = sum(table.bytes for table in tables.values())
    count = partitions or _partition_count(total)
    return Planner(tables, count, broadcast_bytes, in_place_bytes).plan(queries)


def _partition_count(total_bytes: int) -> int:
    if total_bytes <= _TINY_BYTES:
        return 1
    return next((count for limit, count in _PARTITIONS if total_bytes <= limit), _PARTITIONS_MAX)
