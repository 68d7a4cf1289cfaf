"""What only the PostgreSQL catalog promises: it outlives its server's absences, and knows what a lost reply said."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from catalog_kit import FILTER, LEASE_SECONDS, Place, Work, new_job, run_to_end, submit
from catalog_processes import in_processes, open_and_create
from sqlalchemy import Connection, event

from servers.postgresql import Postgresql
from tolva.catalogs.postgresql import PostgresqlCatalog
from tolva.errors import CatalogAwayError, CatalogError, UsageError
from tolva.model import Claim
from tolva.plan import Plan
from tolva.states import JobStatus, TaskState

GIVEN = {("big", "1.csv"): 3}


@pytest.fixture
def url(postgresql: Postgresql) -> Iterator[str]:
    yield postgresql.database("own")
    postgresql.drop_databases()


@pytest.fixture
def catalog(url: str) -> Iterator[PostgresqlCatalog]:
    catalog = PostgresqlCatalog(url)
    yield catalog
    catalog.close()


def break_next_commit(catalog: PostgresqlCatalog, url: str, *, committed: bool) -> None:
    """Let the next COMMIT find its connection dead: after it was carried out, or before."""

    def cut(connection: Connection) -> None:
        dbapi: Any = connection.connection.dbapi_connection
        if committed:
            dbapi.commit()
        with psycopg.connect(url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 10000)", [dbapi.info.backend_pid])

    event.listen(catalog._writing, "commit", cut, once=True)


@pytest.mark.parametrize("committed", [True, False])
def test_a_claim_whose_reply_was_lost_is_not_lost(catalog: PostgresqlCatalog, url: str, committed: bool) -> None:
    submit(catalog, FILTER, GIVEN)
    ids = [hint.task_id for hint in catalog.admit()]
    break_next_commit(catalog, url, committed=committed)

    claims: list[Claim] = catalog.claim(ids, "w", LEASE_SECONDS)

    assert [(claim.task_id, claim.attempt) for claim in claims] == [(task_id, 1) for task_id in ids]
    assert {task.attempt for task in catalog.tasks("job")} == {1}


@pytest.mark.parametrize("committed", [True, False])
def test_a_commit_whose_reply_was_lost_counts_once(
    catalog: PostgresqlCatalog, url: str, work_on: Callable[[Plan], Work], committed: bool
) -> None:
    work = work_on(FILTER)
    submit(catalog, FILTER, GIVEN)
    claims = catalog.claim([hint.task_id for hint in catalog.admit()], "w", LEASE_SECONDS)
    break_next_commit(catalog, url, committed=committed)

    refused, hints = catalog.commit([work.do(claim) for claim in claims])

    assert refused == set()
    run_to_end(catalog, work, hints)
    assert catalog.job("job").status is JobStatus.COMPLETED
    assert work.result(catalog.parts("job")) == work.expected(GIVEN)


def test_calls_wait_for_a_server_that_comes_back(postgresql: Postgresql, catalog: PostgresqlCatalog) -> None:
    catalog.create_job(new_job("before"))
    postgresql.stop()
    waiting = threading.Thread(target=catalog.create_job, args=[new_job("during")])
    waiting.start()
    postgresql.start()
    waiting.join()

    assert {job.id for job in catalog.jobs()} == {"before", "during"}


def test_patience_ends_with_what_to_do(postgresql: Postgresql, url: str) -> None:
    catalog = PostgresqlCatalog(url, patience_seconds=0.2)
    postgresql.stop()
    try:
        with pytest.raises(CatalogAwayError, match=r"can't be used now: .*tolva doctor"):
            catalog.jobs()
    finally:
        postgresql.start()
    assert catalog.jobs() == []
    catalog.close()


def test_a_process_stopped_inside_a_transaction_keeps_nobody_from_its_rows(
    catalog: PostgresqlCatalog, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tolva.catalogs.postgresql._SESSION", "SET idle_in_transaction_session_timeout = '200ms'")
    stopped = PostgresqlCatalog(url)
    catalog.create_job(new_job())

    def stop_in_the_middle() -> None:
        with stopped._write("cancel") as tx:
            tx.connection.exec_driver_sql("UPDATE job SET client = 'nobody'")
            assert catalog.cancel("job").client == "local"
            tx.connection.exec_driver_sql("SELECT 1")

    with pytest.raises(CatalogAwayError):
        stop_in_the_middle()
    stopped.close()


def test_renewing_waits_for_nobody(catalog: PostgresqlCatalog, url: str) -> None:
    submit(catalog, FILTER, GIVEN)
    claims = catalog.claim([hint.task_id for hint in catalog.admit()], "w", LEASE_SECONDS)
    keys = {(claim.task_id, claim.attempt) for claim in claims}

    with psycopg.connect(url) as other:
        other.execute("SELECT * FROM job FOR UPDATE")
        other.execute("SELECT * FROM task WHERE id = %s FOR UPDATE", [claims[0].task_id])
        assert catalog.renew(keys, 100 * LEASE_SECONDS) == set()

    first, *others = catalog.tasks("job")
    assert first.state is TaskState.RUNNING
    assert first.lease_until == claims[0].lease_until
    assert all(task.lease_until and task.lease_until > claims[0].lease_until + LEASE_SECONDS for task in others)


def test_processes_that_open_an_empty_database_at_once_all_find_it_whole(
    postgresql: Postgresql, tmp_path: Path
) -> None:
    place = Place("postgresql", tmp_path, postgresql.url, template="template0")

    jobs = in_processes(open_and_create, [(place, f"job {n}") for n in range(4)])

    catalog = place.open()
    assert {job.id for job in catalog.jobs()} == set(jobs)
    catalog.close()
    postgresql.drop_databases()


def test_a_database_of_a_newer_tolva_is_refused(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(CatalogError, match=r"newer tolva: its revision is 9999"):
        PostgresqlCatalog(url)


@pytest.mark.parametrize(
    ("url", "message"), [("mysql://localhost/tolva", "must be a postgresql:// URL"), ("nonsense", "is no database URL")]
)
def test_an_url_that_can_t_be_used_is_refused_clearly(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PostgresqlCatalog(url)


def test_a_refused_login_is_told_with_no_password_in_it(postgresql: Postgresql) -> None:
    host = postgresql.url.rpartition("@")[2]

    with pytest.raises(CatalogError, match="role") as caught:
        PostgresqlCatalog(f"postgresql://stranger:geheim@{host}/postgres", patience_seconds=0.1)
    assert "geheim" not in caught.value.message
