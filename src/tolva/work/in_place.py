"""The kernel of a query that one task answers over whole Parquet files, which DuckDB reads where they lie.

The files are those of the job, or the objects of stored tables in a storage on this machine.

DuckDB is handed open files, not names: a name is never looked up again, whatever happens to it meanwhile, and no
character in it means anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from io import FileIO

import pyarrow as pa

from tolva import formats
from tolva.errors import ExecutionError, InputError, RecordError, StateError, StorageError, TolvaError
from tolva.formats import Stored, table_object
from tolva.formats.files import opened
from tolva.model import Done, File, NewFile
from tolva.plan import Column, Plan, Stage
from tolva.planner import Query, TableInfo
from tolva.storage import Storage
from tolva.work.culprit import Source
from tolva.work.engine import Engine
from tolva.work.kernel import Errand
from tolva.work.sealed import View
from tolva.work.sql import written


def run(errand: Errand) -> Done:
    """See ``Kernel``."""
    stage, claim = errand.stage, errand.claim
    if stage.result is None:
        raise StateError(f"Stage {stage.name} reads tables in place and writes no result.", stage=stage.name)
    parts, loaded = written(errand, stage.result, answer(stage, errand.engine, errand.storage))
    size = sum(file.bytes for table in _tables(stage) for file in table.files)
    return Done(claim.task_id, claim.attempt, parts=parts, bytes_read=size, loaded=loaded)


def answer(stage: Stage, engine: Engine, storage: Storage | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows (or lines) of the stage's result, in order; ``storage`` is where stored tables are.

    InputError for a file that isn't sound, or not what it was when the job was planned, StorageError for an object that
    can't be opened; else raises as ``Engine.in_place`` does.
    """
    try:
        with ExitStack() as stack:
            views = []
            for table in _tables(stage):
                sources = [stack.enter_context(_opened(file, storage)) for file in table.files]
                paths = [f"/proc/self/fd/{source.fileno()}" for source in sources]
                views.append(View(table.name, table.columns, paths))
            yield from engine.in_place(stage, views)
    except ExecutionError as error:
        raise _explained(error, stage, engine, storage) from None


def _opened(file: File, storage: Storage | None) -> AbstractContextManager[FileIO]:
    if not _is_object(file):
        return opened(file)
    path = storage.path(file.location) if storage else None
    if path is None:
        raise StateError(f"The object {file.location} is no file of this machine.", key=file.location)
    try:
        return FileIO(path)
    except OSError as error:
        said = f"The object {file.location} can't be read: {error.strerror}. Look whether its storage is whole."
        raise StorageError(said, key=file.location) from None


def _is_object(file: File) -> bool:
    return bool(file.layout["format"] == table_object.NAME)


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    columns: tuple[Column, ...]
    files: tuple[File, ...]


def _tables(stage: Stage) -> list[_Table]:
    return [
        _Table(
            name,
            tuple(Column(*column) for column in table["columns"]),
            tuple(formats.unstored(NewFile(**file)) for file in table["files"]),
        )
        for name, table in stage.settings["tables"].items()
    ]


def _explained(error: ExecutionError, stage: Stage, engine: Engine, storage: Storage | None) -> TolvaError:
    """Return the error that names the file and the record it comes from, if there is one; else the one given.

    They are found by answering the query once more the other way, chunk by chunk.
    """
    from tolva.planner.planner import Planner  # noqa: PLC0415 - only where something is wrong already
    from tolva.work.local_run import run_plan  # noqa: PLC0415 - which runs stages of this kernel, too

    tables = _tables(stage)
    query = str(error.data.get("query"))
    infos = {table.name: TableInfo(table.columns, sum(file.bytes for file in table.files)) for table in tables}
    try:
        plan = Planner(infos, 1, _SENT_BYTES, 0).plan({query: Query(stage.settings["sql"])})
        sources = {table.name: _sources(table, storage) for table in tables}
        run_plan(plan, {t.name: _Chunks(plan, t, sources[t.name]) for t in tables}, engine, sources=sources)
    except (ExecutionError, InputError, RecordError) as found:
        return found
    except TolvaError:
        # Out of memory, say: what failed first is still what there is to tell.
        return error
    return error


_CHUNK_BYTES = 8 * 2**20
_SENT_BYTES = 8 * 2**20


def _sources(table: _Table, storage: Storage | None) -> list[Source]:
    return [
        (file, chunk, Stored(storage, file.location) if storage and _is_object(file) else None)
        for file in table.files
        for chunk in formats.chunks_of(file, _CHUNK_BYTES)
    ]


@dataclass(frozen=True, slots=True)
class _Chunks:
    """The rows of a table, one chunk of its files after the other, read when they are wanted."""

    plan: Plan
    table: _Table
    sources: Sequence[Source]

    def __iter__(self) -> Iterator[pa.Table]:
        types = {column.name: column.type for column in self.table.columns}
        needed = {name for stage in self.plan.stages if stage.table == self.table.name for name in stage.columns}
        for file, chunk, stored in self.sources:
            yield formats.read(file, chunk, types, [name for name in types if name in needed], stored)
