"""The kernel of stages made of SELECTs: the engine answers, rows go to partials, results to parts."""

from __future__ import annotations

from tolva.model import Done, Part, Partial
from tolva.work import partials, results
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
    if stage.result is None:
        left = errand.engine.outputs(stage, plan, relations)
        partial = partials.write(errand.storage, f"{errand.prefix}/partial", left)
    else:
        batches = errand.engine.result(stage, plan, relations)
        schema = errand.engine.schema(stage.result.columns)
        to = results.Destination(errand.storage, errand.prefix, plan.max_part_bytes)
        parts = results.write(stage.result, batches, schema, to)
    return Done(claim.task_id, claim.attempt, partial, parts, records, size)
