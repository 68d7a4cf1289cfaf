"""The catalog's view of the fleet: who is there, what each holds, which roles are paused."""

from __future__ import annotations

from catalog_kit import FILTER, LEASE_SECONDS, FakeClock, submit

from tolva.catalog import Catalog
from tolva.model import WorkerReport
from tolva.plan import Role

ONE = WorkerReport("one", "host a", (Role.SCAN,), 2, 1000)
TWO = WorkerReport("two", "host b", (Role.REDUCE, Role.FINISH), 1, 2000)
DAY_SECONDS = 86_400


def test_workers_are_known_by_their_last_report(catalog: Catalog, clock: FakeClock) -> None:
    catalog.report_worker(TWO)
    catalog.report_worker(ONE)
    clock.now += 5
    catalog.report_worker(WorkerReport("one", "host a", (Role.SCAN,), 2, 3000))

    first, second = catalog.fleet()

    assert (first.report.name, first.report.memory_bytes, first.silent_seconds) == ("one", 3000, 0)
    assert (second.report, second.silent_seconds) == (TWO, 5)
    assert first.started_at == second.started_at == clock.now - 5
    catalog.forget_worker("one")
    catalog.forget_worker("one")
    assert [each.report for each in catalog.fleet()] == [TWO]
    clock.now += DAY_SECONDS
    assert catalog.fleet() == []


def test_workers_show_what_they_hold(catalog: Catalog, clock: FakeClock) -> None:
    catalog.report_worker(ONE)
    submit(catalog, FILTER, {("big", "1.csv"): 2})
    first, _ = catalog.admit()
    catalog.claim([first.task_id], "one", LEASE_SECONDS)
    clock.now += 4

    (worker,) = catalog.fleet()

    (task,) = worker.tasks
    assert (task.task_id, task.job_id, task.stage, task.attempt) == (first.task_id, "job", "s", 1)
    assert (task.running_seconds, task.lease_seconds) == (4, LEASE_SECONDS - 4)
    catalog.cancel("job")
    assert catalog.fleet()[0].tasks == ()


def test_paused_roles_are_told_to_every_worker_until_resumed(catalog: Catalog) -> None:
    assert catalog.report_worker(ONE) == set()
    catalog.pause_role(Role.SCAN)
    catalog.pause_role(Role.SCAN)
    catalog.pause_role(Role.FINISH)

    assert catalog.report_worker(ONE) == catalog.report_worker(TWO) == {Role.SCAN, Role.FINISH}
    catalog.resume_role(Role.SCAN)
    catalog.resume_role(Role.SCAN)
    assert catalog.report_worker(ONE) == catalog.paused_roles() == {Role.FINISH}
