"""Ten thousand tasks that do nothing, through the whole embedded worker: dispatch, claim, child, commit."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.measure import table
from tolva.cli.house import task_setup
from tolva.config import Settings, embedded
from tolva.jobs.crew import Crew, CrewSettings
from tolva.model import Chunk, Done, NewFile, NewJob
from tolva.plan import Plan, Role, Stage
from tolva.work.children import Children
from tolva.work.kernel import Errand
from tolva.work.setup import bury

TASKS = 10_000
WORKERS = 2


def nothing(errand: Errand) -> Done:
    """Do nothing: the kernel of the tasks that are timed."""
    return Done(errand.claim.task_id, errand.claim.attempt)


def speed(work: Path, rounds: int) -> str:
    """Return the table of tasks a second."""
    rates = sorted(_rate(work / "tasks") for _ in range(rounds))
    return table(
        ["empty tasks a second", "median", "least", "most", "aim"],
        [[f"{TASKS:,} tasks", *(f"{rates[n]:,.0f}" for n in (len(rates) // 2, 0, -1)), "at least 2,000"]],
    )


def _rate(state: Path) -> float:
    shutil.rmtree(state, ignore_errors=True)
    settings = Settings(state, WORKERS, 2**20, 2**30, lease_seconds=15.0, task_seconds=None)
    setup = replace(task_setup(settings), kernels={"nothing": "benchmarks.bench_tasks:nothing"})
    children = Children(WORKERS, setup, preload=["tolva.work.task"], bury=partial(bury, setup.spill))
    children.prestart()
    backends = embedded(settings)
    catalog, over = backends.catalog, threading.Event()
    plan = Plan((Stage("empty", Role.SCAN, table="t", kernel="nothing"),), partitions=1)
    catalog.create_job(NewJob("job", "local", "query", {}, ""))
    catalog.set_plan("job", plan)
    (file,) = catalog.add_files("job", [NewFile("t", "t", "", TASKS, "", {})])
    catalog.add_chunks(file.id, [Chunk(n, 1) for n in range(TASKS)], ended=True)
    catalog.end_input("job")
    settings_of_crew = CrewSettings("bench", WORKERS)

    def look(_: object) -> None:
        if catalog.job("job").status.final:
            over.set()

    crew = Crew(backends, children, settings_of_crew, look)
    crew.start()
    began = time.perf_counter()
    backends.dispatcher.publish(catalog.admit())
    over.wait()
    seconds = time.perf_counter() - began
    crew.stop(0)
    catalog.close()
    return TASKS / seconds
