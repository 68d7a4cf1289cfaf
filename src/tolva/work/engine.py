"""The engine: DuckDB answering the SQL of one task at a time over Arrow data it is handed.

One instance lives as long as its process, for a new one costs as much as a small task. It can open no file but the
ones it spills to, sees no variables of Python, and its settings can't be changed by a query.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from tolva.plan import PARTITION_COLUMN, Column, Output, Plan, Stage
from tolva.work.partials import Left
from tolva.work.sealed import Spare, View, blamed, seal, unsealed

Relations = Mapping[str, Sequence[pa.Table]]
"""What a task reads: for each relation its rows, table after table; none at all when nothing was left for it."""

_BATCH_ROWS = 122_880


class Engine:
    """One DuckDB instance, locked down.

    Args:
        memory_bytes: what DuckDB may use before it spills; Arrow data comes on top.
        threads: how many threads a task may use.
        spill: a folder of the process's own, for what doesn't fit.
        spill_bytes: how much it may hold; None: nine tenths of the free disk.
        threads_alone: how many threads a task may use that is all there is of a query; None: as many as any other.
        ahead: make the instance of the next ``in_place`` ahead; the process is going to live for a while.
    """

    def __init__(
        self,
        *,
        memory_bytes: int,
        threads: int,
        spill: Path,
        spill_bytes: int | None = None,
        threads_alone: int | None = None,
        ahead: bool = False,
    ) -> None:
        self._spill = spill
        open_ = partial(unsealed, memory_bytes=memory_bytes, spill_bytes=spill_bytes)
        self._connection = open_(threads=threads, spill=spill)
        seal(self._connection)
        self._spare = Spare(partial(open_, threads=threads_alone or threads, spill=spill / "in_place"), ahead=ahead)
        self._sessions: OrderedDict[object, _Session] = OrderedDict()

    def close(self) -> None:
        """Let go of the instance."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()
        self._connection.close()
        self._spare.close()

    def outputs(self, stage: Stage, plan: Plan, relations: Relations) -> Iterator[Left]:
        """Yield what a scan or reduce task leaves: the rows of each output, partition by partition.

        Raises:
            ExecutionError: a query failed in a way that another try can't mend.
            OutOfMemoryError: it needed more memory than there is, spilling included.
            EngineError: DuckDB itself failed; the process must not be used again.
        """
        with self._given(stage, plan, relations) as session:
            for output in stage.outputs:
                with blamed(stage, output.query):
                    rows = session.answer(output.sql)
                yield from _split(output, rows)

    def result(self, stage: Stage, plan: Plan, relations: Relations) -> Iterator[pa.RecordBatch]:
        """Yield the rows (or lines) of a finish task's result, in order. Raises as ``outputs`` does."""
        if stage.result is None:
            raise ValueError(f"{stage.name} writes no result")
        if stage.result.sql is None:
            for given in stage.inputs:
                for table in relations.get(given.relation, ()):
                    yield from table.to_batches()
            return
        with self._given(stage, plan, relations) as session, blamed(stage, stage.result.query):
            yield from session.stream(stage.result.sql)

    def in_place(self, stage: Stage, views: Sequence[View]) -> Iterator[pa.RecordBatch]:
        """Yield the rows (or lines) of a result over files that DuckDB reads itself. Raises as ``outputs`` does.

        By an instance of its own, which can open just these files: what one may open can't change during its life.
        """
        if stage.result is None or stage.result.sql is None:
            raise ValueError(f"{stage.name} has no question")
        self._spill.mkdir(parents=True, exist_ok=True)
        with blamed(stage, stage.result.query), self._spare.lent() as connection:
            seal(connection, views)
            # These files it could write to as well, were it anything but a SELECT.
            kinds = [one.type for one in connection.extract_statements(stage.result.sql)]
            if kinds != [duckdb.StatementType.SELECT]:
                raise ValueError(f"{stage.name} asks for more than rows")
            yield from connection.sql(stage.result.sql).to_arrow_reader(_BATCH_ROWS)

    def answers(self, stage: Stage, tables: Mapping[str, pa.Table], sqls: Sequence[str]) -> list[pa.Table]:
        """Return the rows of SELECTs over these tables, for a stage whose kernel asks by itself. Raises likewise."""
        with self._lent(tables) as session, blamed(stage, stage.name):
            return [session.answer(sql) for sql in sqls]

    def schema(self, columns: Sequence[Column]) -> pa.Schema:
        """Return how DuckDB writes these columns in Arrow."""
        listed = ", ".join(f"CAST(NULL AS {c.type}) AS {_quoted(c.name)}" for c in columns)
        schema: pa.Schema = self._connection.sql(f"SELECT {listed} LIMIT 0").to_arrow_reader(1).schema
        return schema

    @contextmanager
    def _given(self, stage: Stage, plan: Plan, relations: Relations) -> Iterator[_Session]:
        """Lend a session in which the stage's relations have these rows."""
        columns = {i.relation: plan.output(i.output).columns for i in stage.inputs}
        names = [*columns, *([stage.table] if stage.table else [])]
        tables = {name: self._whole(relations.get(name, ()), columns.get(name, ())) for name in names}
        with self._lent(tables) as session:
            yield session

    @contextmanager
    def _lent(self, tables: Mapping[str, pa.Table]) -> Iterator[_Session]:
        """Lend a session that has these tables."""
        # The same relations mean a session whose statements are prepared already: that is most of a small task's time.
        key = tuple((name, table.schema) for name, table in tables.items())
        session = self._sessions.pop(key, None) or _Session(self._connection.cursor())
        self._sessions[key] = session
        if len(self._sessions) > _SESSIONS_MAX:
            self._sessions.popitem(last=False)[1].close()
        try:
            session.hold(tables)
            yield session
        except BaseException:
            # A statement may be left half read, and DuckDB wants it finished before anything else.
            self._sessions.pop(key).close()
            raise
        session.let_go()

    def _whole(self, tables: Sequence[pa.Table], columns: Sequence[Column]) -> pa.Table:
        held = [t for t in tables if t.num_rows] or list(tables)[:1]
        if held and not held[0].num_columns:
            # Rows of no columns still count, but DuckDB wants to see some column.
            return pa.table({"nothing": pa.nulls(sum(t.num_rows for t in held), pa.bool_())})
        return pa.concat_tables(held) if held else self.schema(columns).empty_table()


class _Slot:
    """A relation's place in a session. DuckDB reads whatever table is in it when a statement runs."""

    def __init__(self) -> None:
        self.table: pa.Table | None = None

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        if self.table is None:
            raise ValueError("There is no table in the slot.")
        return self.table.__arrow_c_stream__(requested_schema)


class _Session:
    """A connection of the instance with relations of fixed names and schemas, and statements prepared over them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._slots: dict[str, _Slot] = {}
        self._prepared: dict[str, str] = {}
        self._numbers = count()

    def hold(self, tables: Mapping[str, pa.Table]) -> None:
        """Put rows into the relations."""
        for name, table in tables.items():
            known = self._slots.get(name)
            slot = self._slots[name] = known or _Slot()
            slot.table = table
            if known is None:
                self._connection.register(name, slot)

    def let_go(self) -> None:
        """Take the rows out again, so that their memory is free."""
        for slot in self._slots.values():
            slot.table = None

    def answer(self, sql: str) -> pa.Table:
        """Return the rows of a SELECT; it is prepared once and kept."""
        name = self._prepared.get(sql) or self._prepare(sql)
        return self._connection.sql(f"EXECUTE {name}").to_arrow_reader(_BATCH_ROWS).read_all()

    def _prepare(self, sql: str) -> str:
        if len(self._prepared) == _STATEMENTS_MAX:
            self._connection.execute(f"DEALLOCATE {self._prepared.pop(next(iter(self._prepared)))}")
        name = f"statement_{next(self._numbers)}"
        self._connection.execute(f"PREPARE {name} AS {sql}")
        self._prepared[sql] = name
        return name

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a SELECT as they come."""
        yield from self._connection.sql(sql).to_arrow_reader(_BATCH_ROWS)

    def close(self) -> None:
        """Let go of the connection."""
        for name in self._slots:
            self._connection.unregister(name)
        self._connection.close()


_SESSIONS_MAX = 32
_STATEMENTS_MAX = 64


def _split(output: Output, rows: pa.Table) -> Iterator[Left]:
    """Yield the rows of an output, one table for each hash partition that has any; their order is kept."""
    if not output.partitioned:
        yield Left(output.name, 0, rows)
        return
    if not rows.num_rows:
        return
    rows = rows.combine_chunks()
    numbers = rows.column(PARTITION_COLUMN).to_numpy()
    rows = rows.drop_columns([PARTITION_COLUMN])
    order = np.argsort(numbers, kind="stable")
    rows = rows.take(pa.array(order))
    found, starts = np.unique(numbers[order], return_index=True)
    ends = [*starts[1:], len(order)]
    for number, start, end in zip(found, starts, ends, strict=True):
        yield Left(output.name, int(number), rows.slice(start, end - start))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
