"""The engine: DuckDB answering the SQL of one task at a time over Arrow data it is handed.

One instance lives as long as its process, for a new one costs as much as a small task. It can open no file but the
ones it spills to, sees no variables of Python, and its settings can't be changed by a query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from tolva.errors import EngineError, ExecutionError, OutOfMemoryError
from tolva.plan import PARTITION_COLUMN, Column, Output, Plan, Stage
from tolva.work.partials import Left

Relations = Mapping[str, Sequence[pa.Table]]
"""What a task reads: for each relation its rows, table after table; none at all when nothing was left for it."""

_BATCH_ROWS = 122_880


class Engine:
    """One DuckDB instance, locked down.

    Args:
        memory_bytes: what DuckDB may use before it spills; Arrow data comes on top.
        threads: how many threads a task may use.
        spill: a folder of the process's own, for what doesn't fit.
    """

    def __init__(self, *, memory_bytes: int, threads: int, spill: Path) -> None:
        settings: dict[str, Any] = {
            "threads": threads,
            "memory_limit": f"{memory_bytes}B",
            "temp_directory": str(spill),
        }
        self._connection = duckdb.connect(":memory:", config=settings)
        for setting in _SETTINGS:
            self._connection.execute(f"SET {setting}")

    def close(self) -> None:
        """Let go of the instance."""
        self._connection.close()

    def outputs(self, stage: Stage, plan: Plan, relations: Relations) -> Iterator[Left]:
        """Yield what a scan or reduce task leaves: the rows of each output, partition by partition.

        Raises:
            ExecutionError: a query failed in a way that another try can't mend.
            OutOfMemoryError: it needed more memory than there is, spilling included.
            EngineError: DuckDB itself failed; the process must not be used again.
        """
        with self._related(stage, plan, relations):
            for output in stage.outputs:
                with _blamed(stage, output.query):
                    rows = self._connection.sql(output.sql).to_arrow_reader(_BATCH_ROWS).read_all()
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
        with self._related(stage, plan, relations), _blamed(stage, stage.result.query):
            yield from self._connection.sql(stage.result.sql).to_arrow_reader(_BATCH_ROWS)

    def schema(self, columns: Sequence[Column]) -> pa.Schema:
        """Return how DuckDB writes these columns in Arrow."""
        listed = ", ".join(f"CAST(NULL AS {c.type}) AS {_quoted(c.name)}" for c in columns)
        schema: pa.Schema = self._connection.sql(f"SELECT {listed} LIMIT 0").to_arrow_reader(1).schema
        return schema

    @contextmanager
    def _related(self, stage: Stage, plan: Plan, relations: Relations) -> Iterator[None]:
        columns = {i.relation: plan.output(i.output).columns for i in stage.inputs}
        names = [*columns, *([stage.table] if stage.table else [])]
        try:
            for name in names:
                tables = [t for t in relations.get(name, ()) if t.num_rows] or list(relations.get(name, ()))[:1]
                rows = pa.concat_tables(tables) if tables else self.schema(columns[name]).empty_table()
                self._connection.register(name, rows)
            yield
        finally:
            for name in names:
                self._connection.unregister(name)


_SETTINGS = (
    "TimeZone='UTC'",
    "arrow_lossless_conversion=true",
    "preserve_insertion_order=true",
    "autoinstall_known_extensions=false",
    "autoload_known_extensions=false",
    "allow_community_extensions=false",
    "allow_persistent_secrets=false",
    "allow_unredacted_secrets=false",
    "python_enable_replacements=false",
    "python_scan_all_frames=false",
    "enable_progress_bar=false",
    "enable_external_access=false",
    "lock_configuration=true",
)


@contextmanager
def _blamed(stage: Stage, query: str) -> Iterator[None]:
    """Turn DuckDB's errors into errors that name the query and the stage."""
    where = f"Query {query!r} failed in stage {stage.name}"
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise OutOfMemoryError(f"{where}: {error}", query=query, stage=stage.name) from None
    except (duckdb.InternalException, duckdb.FatalException) as error:
        raise EngineError(f"{where}: {error}", query=query, stage=stage.name) from None
    except duckdb.Error as error:
        raise ExecutionError(f"{where}: {error}", query=query, stage=stage.name) from None


def _split(output: Output, rows: pa.Table) -> Iterator[Left]:
    """Yield the rows of an output, one table for each hash partition that has any; their order is kept."""
    if not output.partitioned:
        yield Left(output.name, 0, rows)
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
