"""Which code does the tasks of which stages, in every worker."""

from __future__ import annotations

from tolva.plan import IN_PLACE_KERNEL, SQL_KERNEL

KERNELS = {
    SQL_KERNEL: "tolva.work.sql:run",
    IN_PLACE_KERNEL: "tolva.work.in_place:run",
    "export.fetch": "tolva.export.fetch:run",
    "export.compose": "tolva.export.compose:run",
    "export.check": "tolva.export.compose:check",
    "ingest.load": "tolva.ingest.chunks:load",
    "ingest.old_keys": "tolva.ingest.chunks:old_keys",
    "ingest.settle": "tolva.ingest.settling:settle",
}
"""Where each kernel is, as ``module:function``; loaded by children alone, with their first such task."""
