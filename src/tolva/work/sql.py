"""The kernel of stages made of SELECTs: the engine answers, rows go to partials, results to parts."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from tolva.errors import ExecutionError
from tolva.model import MAX_OBJECT_BYTES, Done, Loaded, Part, Partial, TableObject
from tolva.plan import Result
from tolva.work import partials, results
from tolva.work.culprit import Scan, with_place
from tolva.work.kernel import Errand


def run(errand: Errand) -> Done:
    """See ``Kernel``."""
    plan, stage, claim = errand.plan, errand.stage, errand.claim
    relations = {given.relation: errand.read(given) for given in stage.inputs}
    records, size = 0, sum(partial.bytes for partial in claim.partials)
    if stage.table is not None and claim.chunk is not None:
        rows = errand.rows()
        relations[stage.table] = [rows]
        records, size = rows.num_rows, claim.chunk.length
    partial: Partial | None = None
    parts: tuple[Part, ...] = ()
    loaded: tuple[Loaded, ...] = ()
    if stage.result is None:
        left = errand.engine.outputs(stage, plan, relations)
        try:
            partial = partials.write(errand.storage, f"{errand.prefix}/partial", left)
        except ExecutionError as error:
            if stage.table is None:
                raise
            raise with_place(error, Scan(plan, stage, relations, errand.source()), errand.engine) from None
    else:
        parts, loaded = written(errand, stage.result, errand.engine.result(stage, plan, relations))
    return Done(claim.task_id, claim.attempt, partial, parts, records, size, loaded=loaded)


def written(
    errand: Errand, result: Result, batches: Iterator[pa.RecordBatch]
) -> tuple[tuple[Part, ...], tuple[Loaded, ...]]:
    """Write the rows (or lines) of a result: as parts, or as objects of the table that it is stored as."""

    def schema() -> pa.Schema:
        return errand.engine.schema(result.columns)

    stored_as = errand.stage.settings.get("store_as")
    if stored_as is None:
        to = results.Destination(errand.storage, errand.prefix, errand.plan.max_part_bytes)
        return results.write(result, batches, schema, to), ()
    to = results.Destination(errand.storage, errand.table_prefix, MAX_OBJECT_BYTES)
    parts = results.write(result, batches, schema, to)
    objects = tuple(TableObject(part.key, part.records, part.bytes) for part in parts if part.records)
    return (), (Loaded(stored_as, objects),)
