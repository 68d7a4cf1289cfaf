"""What a task costs a fleet beside its own work: 10,000 empty ones, by 2 workers, through all its servers.

Run by ``make cluster-bench``. The servers are the tests' own, with every commit synced to disk.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

TASKS = 10_000
WORKERS = 2
SLOTS = 4


def work(database: str, broker: str) -> None:
    """Be one worker, whose tasks are done as soon as they are claimed."""
    from tolva.catalogs.postgresql import PostgresqlCatalog  # noqa: PLC0415 - each process loads what it uses
    from tolva.dispatchers.celery import CeleryDispatcher  # noqa: PLC0415 - likewise
    from tolva.model import Done  # noqa: PLC0415 - likewise
    from tolva.plan import Role  # noqa: PLC0415 - likewise
    from tolva.work.worker import Worker  # noqa: PLC0415 - likewise

    class Idle:
        """Children that have nothing to do."""

        def run(self, request: Any, **_: Any) -> list[Done]:
            return [Done(claim.task_id, claim.attempt) for _, claims in request for claim in claims]

        def close(self) -> None:
            """Nobody is there."""

    catalog = PostgresqlCatalog(database)
    children: Any = Idle()
    storage: Any = None
    dispatcher = CeleryDispatcher(broker)
    worker = Worker(
        catalog,
        storage,
        dispatcher,
        children,
        name=f"{id(catalog)}",
        lease_seconds=15.0,
        task_seconds=None,
        on_change=lambda _: None,
    )
    worker.start(list(Role), slots=SLOTS)
    sys.stdin.read()
    worker.stop(10.0)


def measure(chunk_bytes: int) -> float:
    """Return tasks a second, from the first hint to the last commit."""
    from servers.postgresql import Postgresql  # noqa: PLC0415 - likewise
    from servers.rabbitmq import Rabbitmq  # noqa: PLC0415 - likewise
    from tolva.catalogs.postgresql import PostgresqlCatalog  # noqa: PLC0415 - likewise
    from tolva.dispatchers.celery import CeleryDispatcher  # noqa: PLC0415 - likewise
    from tolva.model import Chunk, NewFile, NewJob  # noqa: PLC0415 - likewise
    from tolva.plan import Column, Output, Plan, Role, Stage  # noqa: PLC0415 - likewise

    postgresql, rabbitmq = Postgresql(durable=True), Rabbitmq()
    database = postgresql.database("bench")
    catalog = PostgresqlCatalog(database)
    words = [sys.executable, __file__, database, rabbitmq.url]
    workers = [subprocess.Popen(words, stdin=subprocess.PIPE) for _ in range(WORKERS)]
    try:
        stage = Stage("scan", Role.SCAN, table="t", outputs=(Output("o", "SELECT", (Column("c", "VARCHAR"),)),))
        catalog.create_job(NewJob("job", "bench", "query", {}, ""))
        catalog.set_plan("job", Plan((stage,), 1, ()))
        (file,) = catalog.add_files("job", [NewFile("t", "f", "/f", TASKS * chunk_bytes, "", {})])
        chunks = [Chunk(n * chunk_bytes, chunk_bytes) for n in range(TASKS)]
        catalog.add_chunks(file.id, chunks, ended=True)
        catalog.end_input("job")
        hints = catalog.admit()
        time.sleep(8.0)  # workers start meanwhile, which isn't what is measured
        began = time.perf_counter()
        CeleryDispatcher(rabbitmq.url).publish(hints)
        while not catalog.job("job").status.final:
            time.sleep(0.02)
        return TASKS / (time.perf_counter() - began)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
        catalog.close()
        rabbitmq.close()
        postgresql.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # servers are stopped on the way out
    if len(sys.argv) > 1:
        work(*sys.argv[1:])
    else:
        for label, size in (("small (sent in groups)", 1), ("large (each by itself)", 8 * 2**20)):
            print(f"{TASKS:,} empty tasks, {label}: {measure(size):,.0f}/s with {WORKERS} workers", flush=True)
