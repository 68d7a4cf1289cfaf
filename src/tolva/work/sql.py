"""The kernel of stages made of SELECTs: the engine answers, rows go to partials, results to parts."""

from __future__ import annotations

from tolva.errors import ExecutionError
from tolva.model import MAX_OBJECT_BYTES, Done, Loaded, Part, Partial, TableObject
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
        stored_as = stage.settings.get("store_as")
        batches = errand.engine.result(stage, plan, relations)
        to = results.Destination(errand.storage, errand.prefix, plan.max_part_bytes)
        if stored_as is not None:
            to = results.Destination(errand.storage, errand.table_prefix, MAX_OBJECT_BYTES)
        columns = stage.result.columns
        parts = results.write(stage.result, batches, lambda: errand.engine.schema(columns), to)
        if stored_as is not None:
            objects = tuple(TableObject(part.key, part.records, part.bytes) for part in parts if part.records)
            loaded, parts = (Loaded(stored_as, objects),), ()
    return Done(claim.task_id, claim.attempt, partial, parts, records, size, loaded=loaded)
