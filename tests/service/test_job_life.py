"""A job's life in the service: fairness, cancelling, retrying, expiring, cleaning."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from pathlib import Path

import pytest
from service_kit import HEADER, PATIENCE_SECONDS, House, wait_for

from tolva.catalog import Kept
from tolva.errors import ConflictError, ExpiredError, NotFoundError, StateError, StorageError
from tolva.jobs.cleaner import Cleaner
from tolva.model import NewJob, NewUpload
from tolva.states import JobStatus

SLOW = "SELECT count(*) AS n FROM range(20000) x, range(20000) y, t WHERE (x.range * y.range) % 7 = t.a"
MANY = HEADER + b"1,xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" * 20_000


def test_a_client_with_many_tasks_does_not_delay_anothers(house: House) -> None:
    big = house.submit("SELECT sum(a) AS s FROM t", "ann", upload=MANY)
    house.wait(big, JobStatus.WIP)
    waiting = house.service.snapshot(big, None).progress.stages[0]
    assert waiting.created - waiting.done > 100
    small = house.submit("SELECT 1 AS x", "bob")
    started = house.wait(small)
    still = house.service.snapshot(big, None)
    assert not still.job.status.final, "the small job should be over long before the big one"
    print("started after", (started.started_at or 0) - started.created_at)
    house.service.cancel(big, None)


def test_cancelling_stops_the_work_and_deletes_the_files(house: House) -> None:
    job = house.submit(SLOW, upload=HEADER + b"1,x\n")
    house.wait(job, JobStatus.WIP)
    deadline = time.monotonic() + 300
    while not any(task.state == "running" for task in house.catalog.tasks(job)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert house.service.cancel(job, "ann").status is JobStatus.CANCELLED
    # Its only worker is free again: another job gets on, which would wait for minutes otherwise.
    assert house.wait(house.submit("SELECT 1 AS x")).status is JobStatus.COMPLETED
    house.wait_until_gone(job)
    with pytest.raises(StateError):
        house.service.retry(job, "ann")


def test_retrying_keeps_what_was_done(house: House) -> None:
    good = HEADER + b"".join(b"%d,x\n" % n for n in range(1000))
    job = house.submit("SELECT sum(1 / (a - 777)) AS s, count(*) AS n, any_value(error(b)) AS e FROM t", upload=good)
    failed = house.wait(job)
    assert failed.status is JobStatus.FAILED
    done = {(a.task_id, a.attempt) for a in house.catalog.attempts(job) if a.outcome == "done"}
    house.service.retry(job, "ann")
    house.wait(job)
    again = {(a.task_id, a.attempt) for a in house.catalog.attempts(job) if a.outcome == "done"}
    assert done <= again
    assert len({task for task, _ in again}) == len(again)


def test_files_go_when_their_time_is_over(house: House) -> None:
    job = house.submit("SELECT 1 AS x")
    house.wait(job)
    (part,) = house.service.parts(job, "ann")
    cleaner = Cleaner(house.backends, Kept(retrieved_seconds=0.0), settle_seconds=0.0)
    cleaner.clean()
    assert house.files(job)
    assert b"".join(map(bytes, house.service.read(part, 0, part.bytes))) == b"x\n1\n"
    house.service.retrieved(job)
    assert cleaner.clean() == [job]
    assert house.files(job) == []
    with pytest.raises(ExpiredError):
        house.service.parts(job, "ann")
    assert house.catalog.job(job).status is JobStatus.COMPLETED


def test_abandoned_runs_and_orphans_are_cleaned(house: House) -> None:
    house.catalog.create_job(NewJob("abandoned", "local", "query", {}, "digest"))
    house.backends.storage.put("jobs/abandoned/s/0/1/partial", [b"x"])
    house.backends.storage.put("jobs/unknown/s/0/1/partial", [b"x"])
    cleaner = Cleaner(house.backends, Kept(abandoned_seconds=0.0), settle_seconds=0.0)
    cleaner.clean()
    assert cleaner.clean_orphans() == ["unknown"]
    assert house.files("abandoned") == house.files("unknown") == []
    assert house.catalog.job("abandoned").status is JobStatus.CANCELLED


def test_what_was_accepted_goes_on_after_a_restart(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(HEADER + b"1,x\n2,y\n")
    first = House(tmp_path)
    first.start()
    jobs = [first.submit("SELECT sum(a) AS s FROM t", files="x.csv") for _ in range(3)]
    first.stop()
    second = House(tmp_path)
    second.start()
    for job in jobs:
        assert second.wait(job).status is JobStatus.COMPLETED
    second.stop()


def test_an_upload_that_two_send_at_once_counts_once(house: House) -> None:
    job = house.submit("SELECT count(*) AS n FROM t", upload=None, columns={"a": "INTEGER"})
    [upload] = house.service.uploads.begin(job, "ann", NewUpload("t", "x.csv"))
    one, other = (house.service.uploads.receive(upload) for _ in range(2))
    content = b"a\n" + b"1\n" * 5000
    one.write(content)
    other.write(content)
    other.end()
    with pytest.raises(ConflictError):
        one.end()
    house.service.start_job(job, "ann")
    assert house.wait(job).status is JobStatus.COMPLETED
    (part,) = house.service.parts(job, "ann")
    assert b"".join(map(bytes, house.service.read(part, 0, part.bytes))) == b"n\n5000\n"


def test_files_count_in_the_order_they_were_announced_in(house: House) -> None:
    job = house.submit("SELECT a FROM t", upload=None, header=True)
    names = ("b", "empty", "gone", "a", "c")
    announced = dict(
        zip(names, house.service.uploads.begin(job, "ann", *(NewUpload("t", name) for name in names)), strict=True)
    )
    assert house.service.uploads.begin(job, "ann", NewUpload("t", "b")) == [announced["b"]]
    house.service.uploads.discard(job, "ann", announced["gone"].id)
    content = {"c": b"a,b\n4,4\n", "empty": b"", "a": b"a,b\n3,3\n", "b": b"a,b\n1,1\n2,2\n"}
    for name, data in content.items():
        receiver = house.service.uploads.receive(announced[name])
        receiver.write(data)
        receiver.end()
    assert [file.name for file in house.catalog.files(job)] == ["b", "empty", "a", "c"]
    house.service.start_job(job, "ann")
    assert house.wait(job).status is JobStatus.COMPLETED
    (part,) = house.service.parts(job, "ann")
    assert b"".join(map(bytes, house.service.read(part, 0, part.bytes))) == b"a\n1\n2\n3\n4\n"


def test_deleting_forgets(house: House) -> None:
    job = house.submit(SLOW, upload=HEADER + b"1,x\n")
    house.service.delete(job, "ann")
    with pytest.raises(NotFoundError):
        house.service.job(job, "ann")
    house.wait_until_gone(job)


def test_a_deletion_that_was_cut_short_is_finished_by_the_next_service(tmp_path: Path) -> None:
    first = House(tmp_path)
    first.start()
    job = first.submit("SELECT a, b FROM t", upload=HEADER + b"1,x\n2,y\n", store_as="kept", header=True)
    assert first.wait(job).status is JobStatus.COMPLETED
    table = first.loaded(job)
    assert table
    first.stop()
    # It forgets the job, and doesn't come to its files, as if it were killed in between.
    second = House(tmp_path)
    second.backends.storage.put(f"tables/{job}/store/0/9/never-committed", [b"x"])
    second.service.delete(job, "ann")
    assert second.files(job)
    # And earlier ones were killed over the last of other jobs: one that deleted, and one that wrote.
    storage = tmp_path / "state" / "storage"
    for folder in ("jobs/emptied/uploads", "tables/emptied/store"):
        (storage / folder).mkdir(parents=True)
    (storage / "jobs" / "emptied" / "key.0123.unfinished").write_bytes(b"x")
    second.close()
    third = House(tmp_path)
    third.start()
    wait_for(lambda: not [*storage.glob("jobs/*"), *storage.glob("tables/emptied")] and third.loaded(job) == table)
    third.stop()
    after = House(tmp_path)
    assert after.service.table("ann", "kept").records == 2
    assert Cleaner(after.backends, Kept(), settle_seconds=0.0).clean_orphans() == []
    after.close()


def test_a_stop_does_not_wait_for_a_long_deletion(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    at_it, go_on = threading.Event(), threading.Event()

    def delete_below(_: object, prefix: str, **__: object) -> None:
        if prefix == "jobs/large":
            at_it.set()
            go_on.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(type(house.backends.storage), "delete_below", delete_below)
    cleaner = Cleaner(house.backends, Kept(), settle_seconds=0.0)
    cleaner.start()
    cleaner.sweep_later("large")
    assert at_it.wait(PATIENCE_SECONDS)
    monkeypatch.setattr("tolva.jobs.cleaner._FINISH_SECONDS", 0.1)
    stopper = threading.Thread(target=cleaner.stop)
    stopper.start()
    stopper.join(PATIENCE_SECONDS)
    assert not stopper.is_alive()
    go_on.set()
    monkeypatch.setattr("tolva.jobs.cleaner._FINISH_SECONDS", PATIENCE_SECONDS)
    cleaner.stop()


def test_what_cannot_be_deleted_is_tried_again_and_keeps_nothing_else_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tolva.jobs.cleaner._ROUND_SECONDS", 0.01)
    stuck, other = (house.submit(SLOW, upload=HEADER + b"1,x\n") for _ in range(2))
    fails = threading.Event()
    fails.set()
    tried = threading.Semaphore(0)
    delete_below = house.backends.storage.delete_below

    def failing(prefix: str, *, keep: Collection[str] = ()) -> None:
        if prefix == f"jobs/{stuck}" and fails.is_set():
            tried.release()
            raise StorageError("The disk doesn't let go of it.")
        delete_below(prefix, keep=keep)

    monkeypatch.setattr(house.backends.storage, "delete_below", failing)
    house.service.delete(stuck, "ann")
    house.service.delete(other, "ann")
    for _ in range(3):
        assert tried.acquire(timeout=PATIENCE_SECONDS)
    house.wait_until_gone(other)
    assert house.files(stuck)
    fails.clear()
    house.wait_until_gone(stuck)
