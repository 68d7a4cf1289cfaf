"""A fleet that is harmed at random while it works: every row counts exactly once, and every job ends.

``TOLVA_SEED`` repeats a run's choices; ``TOLVA_CHAOS_ACTS`` says how many there are (``make chaos``: 400).
"""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest
from fleet import Fleet, results, wait_for

from chaos import Chaos
from servers.postgresql import Postgresql
from servers.rabbitmq import Rabbitmq
from servers.s3 import S3
from tolva.states import JobStatus

SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
ACTS = int(os.environ.get("TOLVA_CHAOS_ACTS", "12"))
ROWS = 60_000
JOBS = ("rows", "groups", "joined")

QUERIES = {
    "rows": "SELECT id, amount FROM facts WHERE amount >= 0",
    "groups": "SELECT shop, count(*) n, sum(amount) total FROM facts GROUP BY shop",
    "joined": "SELECT f.id, s.name FROM facts f JOIN shops s ON s.shop = f.shop",
}


def facts() -> list[tuple[int, int, int]]:
    return [(n, n % 97, (n * 7919) % 1000) for n in range(ROWS)]


def expected(job: str) -> Counter[str]:
    """Return the job's records, worked out here."""
    if job == "rows":
        return Counter(f"{n},{amount}" for n, _, amount in facts())
    if job == "joined":
        return Counter(f"{n},shop {shop}" for n, shop, _ in facts())
    counts: Counter[int] = Counter()
    sums: Counter[int] = Counter()
    for _, shop, amount in facts():
        counts[shop] += 1
        sums[shop] += amount
    return Counter(f"{shop},{counts[shop]},{sums[shop]}" for shop in counts)


def found(folder: Path) -> Counter[str]:
    """Return the records of the result files, each without its header."""
    return Counter(line for data in results(folder).values() for line in data.decode().splitlines()[1:])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rows = facts()
    for part in range(3):
        lines = [f"{n},{shop},{amount}\n" for n, shop, amount in rows[part::3]]
        (folder / f"facts_{part}.csv").write_text("id,shop,amount\n" + "".join(lines))
    (folder / "shops.csv").write_text("shop,name\n" + "".join(f"{n},shop {n}\n" for n in range(97)))
    for job, query in QUERIES.items():
        (folder / f"{job}.yaml").write_text(
            "kind: query\ntables:\n"
            "  facts: {files: facts_*.csv, columns: {id: BIGINT, shop: INTEGER, amount: BIGINT}}\n"
            "  shops: {files: shops.csv, columns: {shop: INTEGER, name: VARCHAR}}\n"
            f"queries: {{q: {{sql: '{query}'}}}}\n"
            if job == "joined"
            else "kind: query\ntables:\n"
            "  facts: {files: facts_*.csv, columns: {id: BIGINT, shop: INTEGER, amount: BIGINT}}\n"
            f"queries: {{q: {{sql: '{query}'}}}}\n"
        )
    return folder


@pytest.mark.parametrize(
    "acts",
    [
        ["kill a worker", "kill a child", "freeze a worker past its lease", "stop a worker"],
        ["kill the broker", "kill the broker and wipe it", "stop the database", "stop the storage"],
    ],
    ids=["workers", "servers"],
)
def test_whatever_is_harmed_every_row_counts_once(
    postgresql: Postgresql, rabbitmq: Rabbitmq, s3: S3, tmp_path: Path, data: Path, acts: list[str]
) -> None:
    print(f"TOLVA_SEED={SEED} TOLVA_CHAOS_ACTS={ACTS}")
    fleet = Fleet(postgresql, rabbitmq, s3, tmp_path, attempts=20)
    chaos = Chaos(fleet, SEED)
    try:
        chaos.recover()
        turn = acted = 0
        while acted < ACTS // 2:
            turn += 1
            running = {
                job: fleet.start(
                    "run", data / f"{job}.yaml", "--data", data, "--output", f"{job}-{turn}", "-q", "--chunk", "64KB"
                )
                for job in JOBS
            }
            while acted < ACTS // 2 and any(process.poll() is None for process in running.values()):
                chaos.act(acts)
                acted += 1
            chaos.calm()
            for job, process in running.items():
                _, err = process.communicate(timeout=240)
                assert process.returncode == 0, f"{job}: {err}\n{fleet.logs()}"
                assert found(tmp_path / f"{job}-{turn}") == expected(job)
        assert {job.status for job in fleet.catalog.jobs()} == {JobStatus.COMPLETED}
        wait_for(lambda: not any(worker.tasks for worker in fleet.catalog.fleet()), "leases to end")
        print(f"{turn} rounds of {len(JOBS)} jobs; {dict(chaos.done)}")
    finally:
        fleet.close()
