"""Many at once: whatever they do, each task counts once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from catalog_kit import FILTER, SHAPES, Input_, Place, Work, new_job, submit
from catalog_processes import Outcome, claim_these, in_processes, open_and_create, race, race_with

from tolva.catalog import Catalog, Limits
from tolva.plan import Plan
from tolva.states import JobStatus

GIVEN: Input_ = {("big", "1.csv"): 40, ("big", "2.csv"): 20, ("small", "1.csv"): 5}


def check_race(catalog: Catalog, work: Work, outcomes: list[Outcome]) -> None:
    tasks = [task.id for task in catalog.tasks("job")]
    assert sum((claimed for claimed, _ in outcomes), Counter()) == Counter(tasks)
    assert sum((accepted for _, accepted in outcomes), Counter()) == Counter(tasks)
    assert catalog.job("job").status is JobStatus.COMPLETED
    assert all(stage.done == stage.created for stage in catalog.progress("job").stages)
    assert work.result(catalog.parts("job")) == work.expected(GIVEN)


@pytest.mark.parametrize("shape", ["group", "a table scanned again"])
def test_processes_that_race_do_every_task_once(
    place: Place, catalog: Catalog, work_on: Callable[[Plan], Work], shape: str
) -> None:
    plan = SHAPES[shape]
    work = work_on(plan)
    submit(catalog, plan, GIVEN)
    catalog.admit()

    outcomes = in_processes(race, [(place, plan, work.folder, seed) for seed in range(4)])

    check_race(catalog, work, outcomes)


def test_threads_that_race_do_every_task_once(
    opened: Callable[[Limits], Catalog], catalog: Catalog, work_on: Callable[[Plan], Work]
) -> None:
    plan = SHAPES["group"]
    work = work_on(plan)
    submit(catalog, plan, GIVEN)
    catalog.admit()
    handles = [catalog, catalog, opened(Limits()), opened(Limits())]

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda seed: race_with(handles[seed % 4], work, seed), range(8)))

    check_race(catalog, work, outcomes)


def test_of_many_claims_of_a_task_one_wins(place: Place, catalog: Catalog) -> None:
    submit(catalog, FILTER, {("big", "1.csv"): 100})
    ids = [hint.task_id for hint in catalog.admit()]

    claimed = in_processes(claim_these, [(place, ids, seed) for seed in range(4)])

    assert sorted(task_id for each in claimed for task_id in each) == ids


def test_processes_that_open_a_new_catalog_at_once_all_find_it_whole(place: Place) -> None:
    jobs = in_processes(open_and_create, [(place, f"job {n}") for n in range(6)])

    catalog = place.open()
    assert {job.id for job in catalog.jobs()} == set(jobs)
    catalog.close()


def test_a_job_submitted_by_many_at_once_is_there_once(catalog: Catalog) -> None:
    start = Barrier(8)

    def submit_one(n: int) -> str:
        start.wait()
        return catalog.create_job(new_job("same", f"client {n}")).client

    with ThreadPoolExecutor(8) as pool:
        owners = set(pool.map(submit_one, range(8)))

    assert owners == {catalog.job("same").client}


def test_of_a_cancel_and_a_last_commit_one_wins(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    plan = SHAPES["scan only"]
    work = work_on(plan)
    for n in range(20):
        job_id = f"job {n}"
        submit(catalog, plan, {("big", "1.csv"): 1}, job_id)
        (claim,) = catalog.claim([hint.task_id for hint in catalog.admit()], "w", 10.0)
        start = Barrier(2)

        def cancel(job_id: str = job_id, start: Barrier = start) -> JobStatus:
            start.wait()
            return catalog.cancel(job_id).status

        with ThreadPoolExecutor(1) as pool:
            cancelled = pool.submit(cancel)
            start.wait()
            refused, _ = catalog.commit([work.do(claim)])
            status = cancelled.result()

        assert catalog.job(job_id).status is status
        assert status is (JobStatus.CANCELLED if refused else JobStatus.COMPLETED)
