"""What catalog tests run in processes of their own. They come from a fork server that has everything imported."""

from __future__ import annotations

import multiprocessing
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from catalog_kit import LEASE_SECONDS, FakeClock, Place, Work, chunks_of, new_file, new_job

from tolva import crash
from tolva.catalog import Catalog
from tolva.plan import Plan

context = multiprocessing.get_context("forkserver")
# The fork server doesn't know pytest's paths, so it can only preload what is installed.
context.set_forkserver_preload(["tolva.catalogs.sqlite"])

Outcome = tuple[Counter[int], Counter[int]]
"""How often each task was claimed, and how often a commit of it was accepted."""


def in_processes(function: Any, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Call the function in as many processes at once as there are argument tuples."""
    with context.Pool(len(calls)) as pool:
        return pool.starmap(function, calls, chunksize=1)


def open_and_create(place: Place, job_id: str) -> str:
    catalog = place.open()
    job = catalog.create_job(new_job(job_id))
    catalog.close()
    return job.id


def race(place: Place, plan: Plan, folder: Path, seed: int) -> Outcome:
    """Work on whatever is ready until the job is over, in random order, now and then committing twice."""
    catalog = place.open()
    try:
        return race_with(catalog, Work(plan, folder), seed)
    finally:
        catalog.close()


def race_with(catalog: Catalog, work: Work, seed: int) -> Outcome:
    rng = random.Random(seed)
    claimed: Counter[int] = Counter()
    accepted: Counter[int] = Counter()
    while not catalog.job("job").status.final:
        ids = [hint.task_id for hint in catalog.ready()]
        rng.shuffle(ids)
        claims = catalog.claim(ids[: rng.randint(1, 8)], f"worker {seed}", LEASE_SECONDS)
        claimed.update(claim.task_id for claim in claims)
        outcomes = [work.do(claim) for claim in claims]
        for _ in range(rng.randint(1, 2)):
            refused, _ = catalog.commit(outcomes)
            assert not refused
        accepted.update(claim.task_id for claim in claims)
    return claimed, accepted


def claim_these(place: Place, ids: list[int], seed: int) -> list[int]:
    catalog = place.open()
    shuffled = list(ids)
    random.Random(seed).shuffle(shuffled)
    claims = [claim for task_id in shuffled for claim in catalog.claim([task_id], f"{seed}", LEASE_SECONDS)]
    catalog.close()
    return [claim.task_id for claim in claims]


def live_until(place: Place, plan: Plan, folder: Path, point: str, hit: int) -> None:
    """Live through a job, and be killed at the given crash point when it is hit for the given time."""
    crash._name, crash._fatal_hit = point, hit
    life(place.open(clock=FakeClock()), Work(plan, folder))


LIFE_GIVEN = {("big", "1.csv"): 3, ("small", "1.csv"): 1}


def life(catalog: Catalog, work: Work) -> None:
    """Take one job from its submission to its end, going on from wherever an earlier life ended."""
    catalog.create_job(new_job("other"))
    catalog.cancel("other")
    catalog.delete_job("other")
    catalog.create_job(new_job())
    files = catalog.add_files("job", [new_file(table, name) for table, name in LIFE_GIVEN])
    catalog.set_plan("job", work.plan)
    for file, count in zip(files, LIFE_GIVEN.values(), strict=True):
        catalog.add_chunks(file.id, chunks_of(count)[:1], ended=False)
        catalog.add_chunks(file.id, chunks_of(count), ended=True)
    catalog.end_input("job")
    catalog.admit()
    catalog.release_job("job")
    while hints := catalog.ready():
        first, *claims = catalog.claim([hint.task_id for hint in hints], "worker", LEASE_SECONDS)
        catalog.release([(first.task_id, first.attempt)])
        claims += catalog.claim([first.task_id], "worker", LEASE_SECONDS)
        catalog.commit([work.do(claim) for claim in claims])
    catalog.mark_retrieved("job")
