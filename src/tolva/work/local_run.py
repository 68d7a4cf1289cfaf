"""A plan run here and now, in this process, over rows that are at hand.

For tests, and for inputs so small that handing out tasks would take longer than doing them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import pyarrow as pa

from tolva.errors import ExecutionError
from tolva.plan import IN_PLACE_KERNEL, Plan, Reads, Role, Stage, coalesce
from tolva.work.culprit import Scan, Source, with_place
from tolva.work.engine import Engine
from tolva.work.partials import Left

Chunks = Mapping[str, Iterable[pa.Table]]

_REDUCE_TASK_BYTES = 32 * 2**20


def run_plan(
    plan: Plan,
    chunks: Chunks,
    engine: Engine,
    *,
    reduce_task_bytes: int = _REDUCE_TASK_BYTES,
    sources: Mapping[str, Sequence[Source]] = MappingProxyType({}),
) -> dict[str, list[pa.RecordBatch]]:
    """Return each query's answer: its rows or lines in order, as record batches.

    Args:
        plan: what to do.
        chunks: the rows of each table, in pieces, as often as they are asked for; columns have the types that DuckDB
            gives them in Arrow.
        engine: what answers the SQL of each task.
        reduce_task_bytes: up to this size, hash partitions are put together into one task.
        sources: where the pieces of each table are from, for errors that name the record.
    """
    left: dict[str, list[Left]] = {}
    answers: dict[str, list[pa.RecordBatch]] = {}
    for stage in plan.stages:
        if stage.result is not None and stage.kernel == IN_PLACE_KERNEL:
            from tolva.work.in_place import answer  # noqa: PLC0415 - which runs plans, too, when something is wrong

            answers[stage.result.query] = list(answer(stage, engine))
            continue
        if stage.result is not None:
            relations = {i.relation: [one.rows for one in left.get(i.output, ())] for i in stage.inputs}
            answers[stage.result.query] = list(engine.result(stage, plan, relations))
            continue
        for output in stage.outputs:
            left[output.name] = []
        for number, relations in enumerate(_tasks(stage, plan, chunks, left, reduce_task_bytes)):
            try:
                for one in engine.outputs(stage, plan, relations):
                    left[one.output].append(one)
            except ExecutionError as error:
                if stage.table is None or stage.table not in sources:
                    raise
                raise with_place(error, Scan(plan, stage, relations, sources[stage.table][number]), engine) from None
    return answers


def _tasks(
    stage: Stage, plan: Plan, chunks: Chunks, left: dict[str, list[Left]], reduce_task_bytes: int
) -> Iterator[dict[str, list[pa.Table]]]:
    """Yield what each task of the stage reads."""
    whole = {i.relation: [one.rows for one in left[i.output]] for i in stage.inputs if i.reads is Reads.ALL}
    if stage.role is Role.SCAN and stage.table is not None:
        for chunk in chunks[stage.table]:
            yield {**whole, stage.table: [chunk.select(stage.columns)]}
        return
    split = [i for i in stage.inputs if i.reads is Reads.PARTITION]
    sizes = [0] * plan.partitions
    for one in (one for i in split for one in left[i.output]):
        sizes[one.partition] += one.rows.nbytes
    for group in coalesce(sizes, reduce_task_bytes):
        yield {**whole, **{i.relation: [o.rows for o in left[i.output] if o.partition in group] for i in split}}
