"""What a command needs to run jobs in this process."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from tolva.allocators import spare_memory
from tolva.config import SMALL_BYTES, Settings, connect, open_storage
from tolva.jobs.kernels import KERNELS
from tolva.jobs.prepare import PrepareOrRun
from tolva.work.children import Children
from tolva.work.setup import TaskSetup, bury, bury_strangers

if TYPE_CHECKING:
    from tolva.jobs.run import Run

_PRELOAD = (
    "tolva.work.task",
    "tolva.work.sql",
    "tolva.planner.planner",
    "tolva.planner.spread",
    "tolva.formats.delimited.reader",
    "tolva.rollup",
)


def task_setup(settings: Settings, nice: int = 0) -> TaskSetup:
    """Return how children of these settings get ready."""
    return TaskSetup(
        open_storage(settings),
        memory_bytes=settings.memory_bytes // settings.workers,
        threads=1,
        threads_alone=settings.workers,
        spill=settings.state / "spill",
        kernels=KERNELS,
        remote=settings.cluster is not None,
        nice=nice,
    )


def new_children(
    settings: Settings, count: int, *, nice: int = 0, preload: Sequence[str] = (), lasting: bool = True
) -> Children:
    """Return children that run tasks and prepare jobs; they have the modules to ``preload`` from the start."""
    if settings.memory_bytes < SMALL_BYTES:
        spare_memory()
    setup = task_setup(settings, nice)
    bury_strangers(setup.spill)
    modules = (*_PRELOAD, *preload)
    return Children(count, PrepareOrRun(setup), preload=modules, bury=partial(bury, setup.spill), lasting=lasting)


def look_for_garbage() -> None:
    """Have the collector on again from here on, for what is yet to come: what has been loaded stays."""
    gc.freeze()
    gc.enable()


@contextmanager
def runner(settings: Settings, preload: Sequence[str] = ()) -> Iterator[Run]:
    """Have children, backends and a ``Run`` inside the block; nothing of them is left after it."""
    # Where a fleet does the tasks, one prepares the job, and others would have nothing to do.
    children = new_children(settings, 1 if settings.cluster else settings.workers, preload=preload)
    from tolva.jobs.run import Run, RunSettings  # noqa: PLC0415 - while what children come from loads as much

    look_for_garbage()
    try:
        yield Run(
            partial(connect, settings),
            children,
            RunSettings(
                state=settings.state,
                workers=settings.workers,
                chunk_bytes=settings.chunk_bytes,
                lease_seconds=settings.lease_seconds,
                task_seconds=settings.task_seconds,
                fleet=settings.cluster is not None,
            ),
        )
    finally:
        children.close()
