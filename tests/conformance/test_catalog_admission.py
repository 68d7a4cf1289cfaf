"""Which jobs may run: limits, order, and fairness between clients."""

from __future__ import annotations

from collections.abc import Callable

from catalog_kit import FILTER, SHAPES, FakeClock, chunks_of, new_file, new_job, submit

from tolva.catalog import Catalog, Limits
from tolva.model import Hint
from tolva.states import JobStatus

ONE_CHUNK = {("big", "1.csv"): 1}


def running(catalog: Catalog) -> list[str]:
    return [job.id for job in reversed(catalog.jobs(statuses=[JobStatus.WIP], limit=1000))]


def test_each_client_s_jobs_start_in_order_within_the_limits(
    opened: Callable[[Limits], Catalog], clock: FakeClock
) -> None:
    catalog = opened(Limits(running_jobs=5, running_jobs_per_client=2))
    for job_id in ("a1", "a2", "a3", "a4", "b1", "c1", "c2"):
        clock.now += 1
        submit(catalog, FILTER, ONE_CHUNK, job_id, client=job_id[0])

    hints = catalog.admit()

    assert running(catalog) == ["a1", "a2", "b1", "c1", "c2"]
    assert len(hints) == 5
    assert catalog.admit() == []
    catalog.cancel("b1")
    assert catalog.admit() == []  # a has its two, c has its two
    catalog.cancel("a2")
    catalog.admit()
    assert running(catalog) == ["a1", "a3", "c1", "c2"]


def test_a_client_with_many_jobs_doesn_t_keep_others_waiting(
    opened: Callable[[Limits], Catalog], clock: FakeClock
) -> None:
    catalog = opened(Limits(running_jobs=3, running_jobs_per_client=3))
    for n in range(10):
        clock.now += 1
        submit(catalog, FILTER, ONE_CHUNK, f"a{n}", client="a")
    catalog.admit()
    submit(catalog, FILTER, ONE_CHUNK, "b", client="b")
    assert running(catalog) == ["a0", "a1", "a2"]

    catalog.cancel("a0")
    catalog.admit()

    assert running(catalog) == ["a1", "a2", "b"]


def test_a_job_starts_with_its_first_ready_task(catalog: Catalog, clock: FakeClock) -> None:
    catalog.create_job(new_job("no plan"))
    catalog.create_job(new_job("no chunk"))
    catalog.set_plan("no chunk", FILTER)
    submit(catalog, FILTER, ONE_CHUNK, "ready")
    clock.now += 1

    catalog.admit()

    assert running(catalog) == ["ready"]
    assert catalog.job("ready").started_at == catalog.job("ready").last_updated == clock.now
    (file,) = catalog.add_files("no chunk", [new_file("big")])
    assert catalog.add_chunks(file.id, chunks_of(1), ended=False) == []
    (hint,) = catalog.admit()
    assert isinstance(hint, Hint)
    assert set(running(catalog)) == {"ready", "no chunk"}


def test_a_job_with_nothing_to_do_is_completed(catalog: Catalog) -> None:
    submit(catalog, SHAPES["nothing"], {}, "nothing")
    submit(catalog, SHAPES["scan only"], {("big", "1.csv"): 0}, "no chunks")

    assert catalog.admit() == []

    assert {job.status for job in catalog.jobs()} == {JobStatus.COMPLETED}
