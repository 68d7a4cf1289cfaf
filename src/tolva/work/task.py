"""Run claimed tasks in a child process: read the input, ask the engine, store what is left."""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import pyarrow as pa

from tolva import formats
from tolva.errors import EngineError, OutOfMemoryError, StateError, TolvaError
from tolva.model import Claim, Done, Failed, Part, Partial
from tolva.plan import Input, Plan, Reads, Stage
from tolva.storage import Storage
from tolva.work import partials, results
from tolva.work.engine import Engine

Request = Sequence[tuple[bytes, Sequence[Claim]]]
"""Claims by job, each job's with its pickled plan."""


class Tasks:
    """Answers requests to run tasks; keeps one engine for all of them."""

    def __init__(self, storage: Storage, *, memory_bytes: int, threads: int, spill: Path) -> None:
        # Tasks run beside each other in processes; Arrow's own threads would only get in their way.
        pa.set_cpu_count(1)
        pa.set_io_thread_count(1)
        self._storage = storage
        self._engine = Engine(memory_bytes=memory_bytes, threads=threads, spill=spill)

    def __call__(self, request: Request) -> tuple[list[Done | Failed], bool]:
        """Run the tasks one after the other; return what each came to, and whether the process may go on."""
        outcomes: list[Done | Failed] = []
        healthy = True
        for pickled, claims in request:
            plan = _plan(pickled)
            for claim in claims:
                try:
                    outcomes.append(self._run(plan, claim))
                except TolvaError as error:
                    outcomes.append(Failed(claim.task_id, claim.attempt, error.to_dict(), error.retryable))
                    healthy = healthy and not isinstance(error, EngineError)
                except MemoryError:
                    short = OutOfMemoryError("The task ran out of memory. Give --memory more, or make --chunk smaller.")
                    outcomes.append(Failed(claim.task_id, claim.attempt, short.to_dict(), short.retryable))
                    healthy = False
        return outcomes, healthy

    def _run(self, plan: Plan, claim: Claim) -> Done:
        began = time.perf_counter()
        stage = plan.stage(claim.stage)
        relations = {given.relation: self._read(given, claim) for given in stage.inputs}
        records, size = 0, sum(partial.bytes for partial in claim.partials)
        if stage.table is not None:
            rows, size = _chunk(plan, stage, claim)
            relations[stage.table] = [rows]
            records = rows.num_rows
        prefix = f"jobs/{claim.job_id}/{claim.stage}/{claim.ordinal}/{claim.attempt}"
        partial: Partial | None = None
        parts: tuple[Part, ...] = ()
        if stage.result is None:
            partial = partials.write(self._storage, f"{prefix}/partial", self._engine.outputs(stage, plan, relations))
        else:
            batches = self._engine.result(stage, plan, relations)
            schema = self._engine.schema(stage.result.columns)
            to = results.Destination(self._storage, prefix, plan.max_part_bytes)
            parts = results.write(stage.result, batches, schema, to)
        seconds = time.perf_counter() - began
        return Done(claim.task_id, claim.attempt, partial, parts, records, size, seconds)

    def _read(self, given: Input, claim: Claim) -> list[pa.Table]:
        partitions = claim.partitions if given.reads is Reads.PARTITION else None
        return partials.read(self._storage, claim.partials, given.output, partitions)


def _chunk(plan: Plan, stage: Stage, claim: Claim) -> tuple[pa.Table, int]:
    """Return the columns of the claim's chunk that the stage needs, and the chunk's bytes."""
    if claim.file is None or claim.chunk is None or stage.table is None:
        raise StateError(f"The scan task {claim.task_id} was claimed without its chunk.", task=claim.task_id)
    types = {column.name: column.type for column in plan.tables[stage.table]}
    return formats.read(claim.file, claim.chunk, types, stage.columns), claim.chunk.length


@lru_cache(maxsize=16)
def _plan(pickled: bytes) -> Plan:
    plan: Plan = pickle.loads(pickled)  # noqa: S301 - the worker that started this process wrote it
    return plan
