"""What a command needs to run jobs in this process, put together in the quickest order."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tolva.config import Settings, local_storage
from tolva.work.children import Children
from tolva.work.setup import TaskSetup

if TYPE_CHECKING:
    from tolva.jobs.run import Run


@contextmanager
def runner(settings: Settings) -> Iterator[Run]:
    """Have children, backends and a ``Run`` inside the block; nothing of them is left after it."""
    # Numpy's linear algebra would start threads of its own in every process.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    setup = TaskSetup(
        local_storage(settings),
        memory_bytes=settings.memory_bytes // settings.workers,
        threads=1,
        spill=settings.state / "spill",
    )
    children = Children(settings.workers, setup)
    # The children load DuckDB and Arrow while this process loads SQLAlchemy and sqlglot.
    threading.Thread(target=children.prestart, name="prestart", daemon=True).start()
    try:
        from tolva.config import embedded  # noqa: PLC0415 - after the children were started
        from tolva.jobs.run import Run, RunSettings  # noqa: PLC0415 - likewise

        backends = embedded(settings)
        try:
            yield Run(
                backends,
                children,
                RunSettings(
                    state=settings.state,
                    workers=settings.workers,
                    chunk_bytes=settings.chunk_bytes,
                    lease_seconds=settings.lease_seconds,
                    task_seconds=settings.task_seconds,
                ),
            )
        finally:
            backends.catalog.close()
    finally:
        children.close()
