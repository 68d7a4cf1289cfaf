"""The judge over tables that lie in Parquet files, or in storage as stored tables: read in place, or spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
from judge import How, Judge

from tolva import formats
from tolva.errors import DocumentError
from tolva.formats import InputTable, Stored, table_object
from tolva.formats.types import canonical
from tolva.jobs.prepare import Spec
from tolva.jobs.sampling import info_of
from tolva.model import StoredTable, TableObject
from tolva.plan import Format, Plan
from tolva.planner import Query, plan
from tolva.storages.local import LocalStorage
from tolva.work.in_place import answer
from tolva.work.local_run import run_plan

ALL_BYTES = 2**40
GROUP_ROWS = 32
"""Small row groups, so that some are passed over by what their files note of them."""


@dataclass(frozen=True)
class Where:
    """Where tables lie, and whether they are read there by one task."""

    stored: bool = False
    in_place: bool = False


class ParquetJudge:
    """DuckDB asked over Parquet files, and tolva over the same ones. Each table is in several, some of them empty."""

    def __init__(self, folder: Path, source: Judge, pieces: int) -> None:
        self._storage = LocalStorage(folder / "storage")
        self._files: dict[str, InputTable] = {}
        self._stored: dict[str, InputTable] = {}
        statements = []
        for name, rows in source.rows.items():
            paths = _written(source.duckdb, name, rows.num_rows, pieces, folder)
            listed = ", ".join(f"'{path}'" for path in paths)
            statements.append(f'CREATE TABLE "{name}" AS FROM read_parquet([{listed}])')
            table = formats.resolve(name, Spec([path.name for path in paths]), folder)
            self._files[name] = table
            self._stored[name] = self._kept(table, paths)
        self._asked = Judge(folder, statements)
        self.duckdb = self._asked.duckdb

    def close(self) -> None:
        self._asked.close()

    def check(self, sql: str, how: How, where: Where) -> None:
        """Assert that tolva's answer is DuckDB's, as ``Judge.check`` does."""
        self._asked.check_against(sql, how, lambda: self._answer(sql, how, where))

    def _answer(self, sql: str, how: How, where: Where) -> list[pa.RecordBatch]:
        given = self._stored if where.stored else self._files
        made = self._plan(sql, how, given, where)
        if where.stored and not _storable(made):
            given = self._files
        (stage, *others) = made.stages
        if where.in_place and not others and stage.settings:
            return list(answer(stage, self._asked.engine, self._storage))
        chunks = {name: self._chunks(table, made) for name, table in given.items()}
        return run_plan(made, chunks, self._asked.engine, reduce_task_bytes=how.reduce_task_bytes)["q"]

    def _plan(self, sql: str, how: How, given: dict[str, InputTable], where: Where) -> Plan:
        infos = {name: info_of(table) for name, table in given.items()}
        made = plan(
            {"q": Query(sql, Format.PARQUET)},
            infos,
            partitions=how.partitions,
            broadcast_bytes=how.broadcast_bytes,
            in_place_bytes=ALL_BYTES if where.in_place else 0,
        )
        kept = Plan.from_json(made.to_json())
        return Plan(kept.stages, kept.partitions, kept.queries, tables={n: t.columns for n, t in given.items()})

    def _kept(self, table: InputTable, paths: Sequence[Path]) -> InputTable:
        """Return the same rows as a stored table."""
        objects = []
        for path in paths:
            size = self._storage.put(f"tables/{path.name}", [path.read_bytes()])
            objects.append(TableObject(f"tables/{path.name}", 0, size))
        columns = tuple((column.name, column.type) for column in table.columns)
        version = StoredTable(1, "local", table.name, 1, columns, (), 0, 0, 0.0, 0.0)
        return table_object.input_table(table.name, version, objects, on_disk=True)

    def _chunks(self, table: InputTable, made: Plan) -> list[pa.Table]:
        scans = [stage for stage in made.stages if stage.table == table.name]
        wanted = [c.name for c in table.columns if any(c.name in scan.columns for scan in scans)]
        tests = [output.tests for scan in scans for output in scan.outputs]
        types = {column.name: column.type for column in table.columns}
        read = []
        for file in map(formats.unstored, table.files if scans else ()):
            for chunk in formats.chunks_of(file, 1):
                stored = Stored(self._storage, chunk.key) if chunk.key else None
                kept = formats.narrow(file, chunk, types, tests, stored)
                read.append(formats.read(file, kept, types, wanted, stored))
        return read


def _written(connection: duckdb.DuckDBPyConnection, name: str, rows: int, pieces: int, folder: Path) -> list[Path]:
    """Write a table as files of its rows in their order, the last of them empty."""
    places = [rows * i // pieces for i in range(pieces + 1)] + [rows]
    paths = []
    for number, (start, end) in enumerate(pairwise(places)):
        path = folder / f"{name}_{number}.parquet"
        some = f'FROM "{name}" LIMIT {end - start} OFFSET {start}'
        connection.execute(f"COPY ({some}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE {GROUP_ROWS})")
        paths.append(path)
    return paths


def _storable(made: Plan) -> bool:
    """Whether a stored table can have the columns that the plan reads; read in place, it may have any."""
    kinds = {
        column.type
        for stage in made.stages
        if stage.table is not None
        for column in made.tables[stage.table]
        if column.name in stage.columns
    }
    try:
        return all(canonical(kind) == kind for kind in kinds)
    except DocumentError:
        return False
