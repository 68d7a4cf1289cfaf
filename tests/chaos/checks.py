"""What must hold of a fleet once its clients are served."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from customers import Customer
from fleet import Fleet, wait_for

from tolva.catalog import Kept
from tolva.config import Places, Settings, connect
from tolva.jobs.cleaner import Cleaner
from tolva.jobs.stored import sweep
from tolva.states import TaskState


def check_ends(fleet: Fleet, customers: Sequence[Customer]) -> None:
    """Every job that was sent is there once, in the status it must have, and nobody holds a task."""
    expected = {job_id: status for customer in customers for job_id, status in customer.jobs.items()}
    jobs = fleet.catalog.jobs(limit=10_000)
    assert {job.id: job.status for job in jobs} == expected
    held = [task for job in jobs for task in fleet.catalog.tasks(job.id) if task.state is TaskState.RUNNING]
    assert held == []
    wait_for(lambda: not any(worker.tasks for worker in fleet.catalog.fleet()), "leases to end")


def check_nothing_is_left(fleet: Fleet) -> None:
    """Once the jobs' time is over, the storage holds exactly the objects of the stored tables."""
    places = Places(fleet.database, fleet.rabbitmq.url, f"{fleet.s3.url}/{fleet.name}", fleet.name)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in fleet.s3.access.environment().items():
            patch.setenv(name, value)
        settings = Settings(fleet.folder / "state", 1, 2**20, 2**30, 15.0, None, cluster=places)
        backends = connect(settings)
    try:
        cleaner = Cleaner(backends, Kept(0.0, 0.0, 0.0), settle_seconds=0.0)
        cleaner.clean()
        sweep(backends.catalog, backends.storage)
        left = set(backends.storage.list(""))
        assert left == backends.catalog.stored_keys("tables")
        assert cleaner.clean_orphans() == []
    finally:
        backends.catalog.close()
