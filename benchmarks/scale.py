"""Where a fleet would stall: measured costs of a task on the catalog, and a simulation of many workers that pay them.

The simulation is of one big job, the hardest case: commits of one job wait for each other, since each holds the job's
row. Workers claim, work and commit; the database has so many cores; a commit occupies the job's row and a core.
"""

from __future__ import annotations

import heapq
import signal
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

SAMPLES = 60


@dataclass(frozen=True)
class Costs:
    """Seconds of the database for one call, and for each further task in it."""

    claim: float
    claim_more: float
    commit: float
    commit_more: float


def measure() -> Costs:
    """Time claims and commits of 1 and of 32 tasks against a real server that syncs."""
    from servers.postgresql import Postgresql  # noqa: PLC0415 - its folder was added to the path above
    from tolva.catalogs.postgresql import PostgresqlCatalog  # noqa: PLC0415 - likewise
    from tolva.model import Chunk, Done, NewFile, NewJob, Partial, Segment  # noqa: PLC0415 - likewise
    from tolva.plan import Column, Output, Plan, Role, Stage  # noqa: PLC0415 - likewise

    server = Postgresql(durable=True)
    catalog = PostgresqlCatalog(server.database("scale"))
    try:
        stage = Stage("scan", Role.SCAN, table="t", outputs=(Output("o", "SELECT", (Column("c", "VARCHAR"),)),))
        catalog.create_job(NewJob("job", "bench", "query", {}, ""))
        catalog.set_plan("job", Plan((stage,), 1, ()))
        count = SAMPLES * 33
        (file,) = catalog.add_files("job", [NewFile("t", "f", "/f", count, "", {})])
        ids = [hint.task_id for hint in catalog.add_chunks(file.id, [Chunk(n, 1) for n in range(count)], ended=True)]
        ids = ids or [hint.task_id for hint in catalog.admit()]
        times: dict[tuple[str, int], list[float]] = {}
        for size in (1, 32):
            for _ in range(SAMPLES):
                batch, ids = ids[:size], ids[size:]
                began = time.perf_counter()
                claims = catalog.claim(batch, "w", 60.0)
                between = time.perf_counter()
                segment = (Segment("o", 0, 0, 1, 1),)
                catalog.commit([Done(c.task_id, c.attempt, Partial(f"{c.task_id}", 1, "", segment)) for c in claims])
                times.setdefault(("claim", size), []).append(between - began)
                times.setdefault(("commit", size), []).append(time.perf_counter() - between)
        # The quickest tenth: what else the machine does only ever adds.
        one = {what: statistics.quantiles(times[what, 1], n=10)[0] for what in ("claim", "commit")}
        many = {what: statistics.quantiles(times[what, 32], n=10)[0] for what in ("claim", "commit")}
        more = {what: max(0.0, (many[what] - one[what]) / 31) for what in one}
        return Costs(one["claim"], more["claim"], one["commit"], more["commit"])
    finally:
        catalog.close()
        server.close()


def simulate(workers: int, tasks: int, task_seconds: float, costs: Costs, *, cores: int, batch: int) -> float:
    """Return the seconds that the job takes."""
    database = [0.0] * cores
    job_row = 0.0
    free = [0.0] * workers
    heapq.heapify(free)
    heapq.heapify(database)
    end = 0.0
    claim = costs.claim + (batch - 1) * costs.claim_more
    commit = costs.commit + (batch - 1) * costs.commit_more
    for _ in range(-(-tasks // batch)):
        now = heapq.heappop(free)
        begun = max(now, heapq.heappop(database))
        heapq.heappush(database, begun + claim)
        done = begun + claim + batch * task_seconds
        begun = max(done, job_row)
        job_row = begun + commit
        heapq.heappush(free, job_row)
        end = max(end, job_row)
    return end


def main() -> None:
    costs = measure()
    print(
        f"claim {costs.claim * 1000:.1f} ms + {costs.claim_more * 1000:.2f} for each more, "
        f"commit {costs.commit * 1000:.1f} ms + {costs.commit_more * 1000:.2f} for each more"
    )
    total_bytes = 10 * 10**12
    print("| workers | chunk | a task takes | 10 TB in | without the catalog | share of it |")
    print("|---|---|---|---|---|---|")
    for workers in (10, 100, 1000):
        for chunk_mb in (32, 128, 512):
            tasks = total_bytes // (chunk_mb * 2**20)
            task_seconds = chunk_mb / 200  # 200 MB/s a worker, as measured for the four questions
            ideal = tasks * task_seconds / workers
            took = simulate(workers, tasks, task_seconds, costs, cores=8, batch=1)
            shares = f"{took / 60:,.0f} min | {ideal / 60:,.0f} min | {100 * (took - ideal) / took:.0f} %"
            print(f"| {workers} | {chunk_mb} MB | {task_seconds:.2f} s | {shares} |")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # servers are stopped on the way out
    main()
