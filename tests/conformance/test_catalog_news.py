"""Who listens to the catalog hears which jobs are over."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterator
from itertools import count

import psycopg
import pytest
from catalog_kit import EAGER, FILTER, LEASE_SECONDS, Work, broken, new_job, run_to_end, submit

from servers.postgresql import Postgresql
from tolva.catalog import Catalog, Limits
from tolva.catalogs.postgresql import PostgresqlCatalog
from tolva.plan import Plan
from tolva.states import JobStatus

GIVEN = {("big", "1.csv"): 3}
PATIENCE_SECONDS = 120.0
LISTENERS = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN %'"


class News:
    """What a listener was told. Listening may begin only some time after it was asked for."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._heard: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._probes = (f"probe {n}" for n in count())
        catalog.listen(self._hear)
        self.await_listening()

    def await_listening(self) -> None:
        """End jobs until one is heard of, and hear of all that follow it."""
        heard = None
        while heard is None:
            probe = next(self._probes)
            self._catalog.create_job(new_job(probe))
            self._catalog.cancel(probe)
            try:
                heard = self._heard.get(timeout=0.1)
            except queue.Empty:
                continue
        while heard != probe:
            heard = self.next()

    def next(self) -> str:
        """Wait for news."""
        return self._heard.get(timeout=PATIENCE_SECONDS)

    def _hear(self, job_ids: Collection[str]) -> None:
        for job_id in job_ids:
            self._heard.put(job_id)


@pytest.fixture
def url(postgresql: Postgresql) -> Iterator[str]:
    yield postgresql.database("news")
    postgresql.drop_databases()


@pytest.fixture
def two(url: str) -> Iterator[tuple[PostgresqlCatalog, PostgresqlCatalog]]:
    """Return what two processes have: each its own catalog of one database."""
    catalogs = PostgresqlCatalog(url), PostgresqlCatalog(url)
    yield catalogs
    for catalog in catalogs:
        catalog.close()


def test_each_end_of_a_job_is_heard_of_once_and_nothing_else(
    opened: Callable[[Limits], Catalog], work_on: Callable[[Plan], Work]
) -> None:
    catalog = opened(EAGER)
    news = News(catalog)
    for name in ("done", "dead", "failed", "cancelled", "last"):
        submit(catalog, FILTER, GIVEN, name)
    catalog.admit()
    hints = {name: catalog.ready(job_id=name) for name in ("done", "dead")}

    run_to_end(catalog, work_on(FILTER), hints["done"], "done")
    assert (news.next(), catalog.job("done").status) == ("done", JobStatus.COMPLETED)

    (claim,) = catalog.claim([hints["dead"][0].task_id], "w", LEASE_SECONDS)
    catalog.commit([broken(claim, retryable=False)])
    assert (news.next(), catalog.job("dead").status) == ("dead", JobStatus.FAILED)

    for _ in range(2):
        catalog.fail("failed", {"code": "internal", "message": "It broke."})
        catalog.cancel("cancelled")
    assert [news.next(), news.next()] == ["failed", "cancelled"]

    catalog.cancel("last")
    assert news.next() == "last"


def test_what_another_process_ended_is_heard_of(two: tuple[PostgresqlCatalog, PostgresqlCatalog]) -> None:
    one, other = two
    news = News(one)
    other.create_job(new_job())

    other.cancel("job")

    assert news.next() == "job"


def test_a_lost_connection_is_opened_again(two: tuple[PostgresqlCatalog, PostgresqlCatalog], url: str) -> None:
    one, other = two
    news = News(one)
    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute(f"SELECT pg_terminate_backend(pid, 10000) {LISTENERS}").fetchall() == [(True,)]

    news.await_listening()

    other.create_job(new_job())
    other.cancel("job")
    assert news.next() == "job"


def test_nothing_is_left_of_a_listener_that_was_closed(postgresql: Postgresql, url: str) -> None:
    catalog = PostgresqlCatalog(url)
    News(catalog)
    (listener,) = [thread for thread in threading.enumerate() if thread.name == "listener"]
    postgresql.stop()
    try:
        catalog.close()
    finally:
        postgresql.start()
    listener.join(PATIENCE_SECONDS)
    assert not listener.is_alive()
    with psycopg.connect(url) as connection:
        assert connection.execute(f"SELECT count(*) {LISTENERS}").fetchone() == (0,)
