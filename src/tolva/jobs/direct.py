"""Answer a query in this process, over inputs too small to be worth handing out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from tolva import formats
from tolva.formats import Held, InputTable
from tolva.jobs.prepare import Prepared
from tolva.plan import Plan
from tolva.work import results
from tolva.work.culprit import Source
from tolva.work.engine import Engine
from tolva.work.local_run import run_plan

_CHUNK_BYTES = 32 * 2**20


def answer(prepared: Prepared, query: str, *, memory_bytes: int) -> Iterator[memoryview]:
    """Yield the bytes of the query's answer as one file. Raises what a job would have failed with."""
    plan = prepared.plan
    result = plan.result_of(query)
    with tempfile.TemporaryDirectory(prefix="tolva-") as spill:
        threads = len(os.sched_getaffinity(0))
        engine = Engine(memory_bytes=memory_bytes, threads=threads, spill=Path(spill))
        read = {table.name: list(_chunks(table, plan)) for table in prepared.tables}
        chunks = {name: [rows for rows, _ in of_table] for name, of_table in read.items()}
        sources = {name: [source for _, source in of_table] for name, of_table in read.items()}
        batches = run_plan(plan, chunks, engine, sources=sources)[query]
        yield from results.as_one_file(result, batches, engine.schema(result.columns))


def _chunks(table: InputTable, plan: Plan) -> Iterator[tuple[pa.Table, Source]]:
    scans = [stage for stage in plan.stages if stage.table == table.name]
    needed = {column for stage in scans for column in stage.columns}
    tests = [output.tests for stage in scans for output in stage.outputs]
    if not scans:
        return
    types = {column.name: column.type for column in table.columns}
    wanted = [name for name in types if name in needed]
    for file in map(formats.unstored, table.files):
        if formats.must_be_decoded(file):
            for piece in formats.pieces_of(file, _CHUNK_BYTES):
                held = Held(piece.data)
                yield formats.read(file, piece.chunk, types, wanted, held), (file, piece.chunk, held)
        else:
            for chunk in formats.chunks_of(file, file.bytes):
                kept = formats.narrow(file, chunk, types, tests)
                yield formats.read(file, kept, types, wanted), (file, kept, None)
