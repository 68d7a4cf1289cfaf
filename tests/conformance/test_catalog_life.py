"""A job from its submission to its end: what is recorded, what is ready when, and what comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from catalog_kit import (
    FILTER,
    GROUP,
    LEASE_SECONDS,
    SHAPES,
    FakeClock,
    Input_,
    Work,
    chunks_of,
    new_file,
    new_job,
    run_to_end,
    submit,
)

from tolva.catalog import Catalog
from tolva.errors import NotFoundError, StateError
from tolva.model import Chunk, Done, NewJob, NewUpload, Part, Received
from tolva.plan import Plan, Role
from tolva.states import JobStatus, TaskState

GIVEN: Input_ = {("big", "1.csv"): 5, ("big", "2.csv"): 1, ("small", "1.csv"): 2}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("given", [GIVEN, {("big", "1.csv"): 1}, {("big", "1.csv"): 0}, {}], ids=str)
def test_every_shape_of_plan_ends_with_the_right_answer(
    catalog: Catalog, work_on: Callable[[Plan], Work], shape: str, given: Input_
) -> None:
    work = work_on(SHAPES[shape])
    submit(catalog, SHAPES[shape], given)

    run_to_end(catalog, work, catalog.admit())

    assert catalog.job("job").status is JobStatus.COMPLETED
    assert work.result(catalog.parts("job")) == work.expected(given)
    assert all(task.state is TaskState.DONE for task in catalog.tasks("job"))
    assert all(stage.ended and stage.over_at for stage in catalog.progress("job").stages)


@pytest.mark.parametrize("shape", SHAPES)
def test_chunks_that_come_one_by_one_while_work_goes_on_give_the_same_answer(
    catalog: Catalog, work_on: Callable[[Plan], Work], shape: str
) -> None:
    plan = SHAPES[shape]
    work = work_on(plan)
    catalog.create_job(new_job())
    catalog.set_plan("job", plan)
    catalog.admit()
    files = {(f.table, f.name): f for f in catalog.add_files("job", [new_file(*key) for key in GIVEN])}
    for at in range(5):
        for key, count in GIVEN.items():
            if at < count:
                catalog.add_chunks(files[key].id, chunks_of(count)[at : at + 1], ended=at + 1 == count)
                catalog.admit()
                run_to_end(catalog, work, catalog.ready())
    assert catalog.job("job").status is not JobStatus.COMPLETED
    catalog.end_input("job")
    catalog.admit()

    run_to_end(catalog, work, catalog.ready())

    assert catalog.job("job").status is JobStatus.COMPLETED
    assert work.result(catalog.parts("job")) == work.expected(GIVEN)


def test_a_scan_without_inputs_starts_while_its_table_grows(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    catalog.create_job(new_job())
    catalog.set_plan("job", GROUP)
    (file,) = catalog.add_files("job", [new_file("big")])
    assert catalog.admit() == []
    catalog.add_chunks(file.id, chunks_of(1), ended=False)

    (hint,) = catalog.admit()

    assert (hint.role, hint.bytes) == (Role.SCAN, 10)
    assert catalog.job("job").status is JobStatus.WIP
    (more,) = catalog.add_chunks(file.id, chunks_of(2), ended=False)
    run_to_end(catalog, work_on(GROUP), [hint, more])
    assert [stage.done for stage in catalog.progress("job").stages] == [2, 0, 0]


def test_a_stage_isn_t_over_while_a_file_of_its_table_is_cut(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    work = work_on(FILTER)
    catalog.create_job(new_job())
    catalog.set_plan("job", FILTER)
    (file,) = catalog.add_files("job", [new_file("big")])
    catalog.add_chunks(file.id, chunks_of(1), ended=False)
    catalog.end_input("job")
    run_to_end(catalog, work, catalog.admit())
    assert catalog.progress("job").stages[0].ended is False

    run_to_end(catalog, work, catalog.add_chunks(file.id, chunks_of(2), ended=True))

    assert work.result(catalog.parts("job")) == work.expected({("big", "1.csv"): 2})


def test_a_job_is_remembered_as_it_was_submitted(catalog: Catalog, clock: FakeClock) -> None:
    new = NewJob("a", "alice", "query", {"sql": "SELECT 'ü'"}, "d1", {"team": "finance"})

    created = catalog.create_job(new)

    assert created == catalog.job("a") == catalog.job("a", client="alice")
    assert (created.client, created.document, created.labels) == ("alice", {"sql": "SELECT 'ü'"}, {"team": "finance"})
    assert (created.status, created.created_at, created.plan) == (JobStatus.PENDING, clock.now, None)
    clock.now += 1
    assert catalog.create_job(NewJob("a", "bob", "export", {}, "d2")) == created


def test_another_client_s_job_is_not_there(catalog: Catalog) -> None:
    catalog.create_job(new_job("a", "alice"))

    with pytest.raises(NotFoundError, match="There is no job a"):
        catalog.job("a", client="bob")
    with pytest.raises(NotFoundError):
        catalog.job("b")


def test_jobs_are_listed_newest_first_by_filters_and_pages(catalog: Catalog, clock: FakeClock) -> None:
    for n, job_id in enumerate(["a", "b", "c", "d"]):
        clock.now += n % 2  # some come at the same time
        catalog.create_job(new_job(job_id, "alice" if job_id != "c" else "bob"))
    catalog.cancel("b")

    assert [job.id for job in catalog.jobs()] == ["d", "c", "b", "a"]
    assert [job.id for job in catalog.jobs(client="alice")] == ["d", "b", "a"]
    assert [job.id for job in catalog.jobs(statuses=[JobStatus.PENDING])] == ["d", "c", "a"]
    assert [job.id for job in catalog.jobs(digest="digest", limit=1)] == ["d"]
    assert catalog.jobs(digest="other") == []
    pages = []
    before = None
    while page := catalog.jobs(limit=1, before=before):
        pages += [job.id for job in page]
        before = (page[-1].created_at, page[-1].id)
    assert pages == ["d", "c", "b", "a"]


def test_a_plan_is_given_once(catalog: Catalog) -> None:
    catalog.create_job(new_job())
    catalog.set_plan("job", GROUP)
    catalog.set_plan("job", FILTER)

    plan = catalog.job("job").plan
    assert plan
    assert Plan.from_json(plan) == GROUP
    assert [stage.name for stage in catalog.progress("job").stages] == ["s", "r", "finish q"]


def test_a_plan_may_come_after_the_chunks(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    catalog.create_job(new_job())
    (file,) = catalog.add_files("job", [new_file("big")])
    catalog.add_chunks(file.id, chunks_of(3), ended=True)
    catalog.end_input("job")
    assert catalog.admit() == []
    catalog.set_plan("job", GROUP)
    work = work_on(GROUP)

    run_to_end(catalog, work, catalog.admit())

    assert work.result(catalog.parts("job")) == work.expected({("big", "1.csv"): 3})


def test_files_keep_their_order_and_are_added_once(catalog: Catalog) -> None:
    catalog.create_job(new_job())
    first = catalog.add_files("job", [new_file("t", "b"), new_file("t", "a")])

    again = catalog.add_files("job", [new_file("t", "a", length=7), new_file("t", "c"), new_file("t", "c")])

    assert [file.name for file in catalog.files("job")] == ["b", "a", "c"]
    assert again[0] == first[1]
    assert again[1] == again[2]


def test_files_that_are_sent_count_in_the_order_they_were_announced_in(catalog: Catalog) -> None:
    catalog.create_job(new_job())
    catalog.begin_uploads("job", [NewUpload("big", name, id=name) for name in ("b", "gone")])
    catalog.begin_uploads("job", [NewUpload("big", "b", id="again"), NewUpload("big", "a", id="a")])
    catalog.discard_upload("gone")
    for name in ("a", "b"):
        whole = Received(name, 0, 5, None, new_file("big", name, length=5), (), (Chunk(0, 5),), None, None, ended=True)
        catalog.receive(whole)

    found = [(file.name, file.bytes, file.cut_bytes, file.ended) for file in catalog.files("job")]
    assert found == [("b", 5, 5, True), ("a", 5, 5, True)]


def test_no_file_after_the_end_but_a_repeated_call_is_fine(catalog: Catalog) -> None:
    catalog.create_job(new_job())
    files = catalog.add_files("job", [new_file("t", "a")])
    catalog.end_input("job")

    assert catalog.add_files("job", [new_file("t", "a")]) == files
    with pytest.raises(StateError, match="no more files"):
        catalog.add_files("job", [new_file("t", "b")])


def test_chunks_follow_on_or_are_refused(catalog: Catalog) -> None:
    catalog.create_job(new_job())
    catalog.set_plan("job", FILTER)
    (file,) = catalog.add_files("job", [new_file("big")])
    catalog.add_chunks(file.id, [Chunk(0, 10), Chunk(10, 5)], ended=False)

    with pytest.raises(StateError, match="Go on cutting at byte 15"):
        catalog.add_chunks(file.id, [Chunk(16, 4)], ended=False)
    with pytest.raises(StateError, match="doesn't follow on"):
        catalog.add_chunks(file.id, [Chunk(10, 10)], ended=False)

    catalog.add_chunks(file.id, [Chunk(0, 10), Chunk(10, 5), Chunk(15, 5)], ended=True)
    catalog.add_chunks(file.id, [Chunk(0, 10), Chunk(10, 5), Chunk(15, 5)], ended=True)
    assert len(catalog.tasks("job")) == 3
    assert (catalog.files("job")[0].cut_bytes, catalog.files("job")[0].ended) == (20, True)
    with pytest.raises(StateError, match="ended at byte 20"):
        catalog.add_chunks(file.id, [Chunk(20, 5)], ended=True)
    with pytest.raises(NotFoundError):
        catalog.add_chunks(file.id + 1, [], ended=True)


def test_a_file_s_records_may_begin_after_its_header(catalog: Catalog) -> None:
    catalog.create_job(new_job())
    catalog.set_plan("job", FILTER)
    (file,) = catalog.add_files("job", [replace(new_file("big", length=100), first_byte=7)])
    assert file.cut_bytes == 7

    catalog.add_chunks(file.id, [Chunk(7, 93)], ended=True)

    assert catalog.progress("job").bytes_total == 93


def test_progress_counts_what_was_read_of_what_is_known(catalog: Catalog, clock: FakeClock) -> None:
    catalog.create_job(new_job())
    (file, _) = catalog.add_files("job", [new_file("big", length=30), new_file("other", length=5)])
    assert catalog.progress("job").bytes_total == 35
    catalog.set_plan("job", FILTER)
    catalog.add_chunks(file.id, chunks_of(3), ended=True)
    claims = catalog.claim([hint.task_id for hint in catalog.admit()], "w", LEASE_SECONDS)

    catalog.commit([Done(each.task_id, each.attempt, records_read=4, bytes_read=10) for each in claims[:2]])

    progress = catalog.progress("job")
    assert (progress.bytes_total, progress.bytes_done, progress.records_done) == (30, 20, 8)
    scanning, finishing = progress.stages
    assert (scanning.created, scanning.done, scanning.ended, scanning.over_at) == (3, 2, False, None)
    assert (finishing.created, finishing.done, finishing.ended) == (0, 0, False)
    catalog.end_input("job")  # that the other table's file is still open is nothing to this stage
    assert catalog.progress("job").stages[0].ended is True
    clock.now += 5
    catalog.commit([Done(claims[2].task_id, claims[2].attempt, records_read=1, bytes_read=10)])
    assert catalog.progress("job").stages[0].over_at == clock.now


def test_parts_come_in_the_plan_s_order_of_queries(catalog: Catalog) -> None:
    plan = SHAPES["two queries, one scan"]
    submit(catalog, plan, {})
    hints = catalog.admit()
    while claims := catalog.claim([hint.task_id for hint in hints], "w", LEASE_SECONDS):
        done = []
        for claim in claims:
            result = plan.stage(claim.stage).result
            numbers = [2, 1] if result else []
            parts = [Part(result.query, n, f"{n}", "csv", f"{claim.task_id}/{n}", n, n, "s") for n in numbers if result]
            done.append(Done(claim.task_id, claim.attempt, None, tuple(parts)))
        _, hints = catalog.commit(done[::-1])

    assert [(part.query, part.ordinal) for part in catalog.parts("job")] == [("q1", 1), ("q1", 2), ("q2", 1), ("q2", 2)]
    assert catalog.keys("job") == {part.key for part in catalog.parts("job")}


def test_the_first_retrieval_is_noted(catalog: Catalog, clock: FakeClock) -> None:
    catalog.create_job(new_job())
    first = clock.now
    catalog.mark_retrieved("job")
    clock.now += 1
    catalog.mark_retrieved("job")

    assert catalog.job("job").retrieved_at == first


def test_a_cancelled_job_has_no_work_left(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    submit(catalog, GROUP, GIVEN)
    hints = catalog.admit()
    (claim,) = catalog.claim([hints[0].task_id], "w", LEASE_SECONDS)

    cancelled = catalog.cancel("job")

    assert (cancelled.status, cancelled.error) == (JobStatus.CANCELLED, None)
    assert cancelled.completed_on is not None
    assert {task.state for task in catalog.tasks("job")} == {TaskState.DROPPED}
    assert [attempt.outcome for attempt in catalog.attempts("job")] == ["fenced"]
    key = (claim.task_id, claim.attempt)
    assert catalog.renew([key], LEASE_SECONDS) == {key}
    assert catalog.commit([work_on(GROUP).do(claim)]) == ({key}, [])
    assert catalog.claim([hint.task_id for hint in hints], "w", LEASE_SECONDS) == []
    assert catalog.ready() == catalog.admit() == []
    assert catalog.next_due_seconds() is None
    assert catalog.cancel("job") == catalog.fail("job", {"code": "x"}) == catalog.job("job") == cancelled


def test_a_job_that_fails_keeps_its_error(catalog: Catalog) -> None:
    submit(catalog, GROUP, GIVEN)

    failed = catalog.fail("job", {"code": "input", "message": "Bad.", "data": {"line": 3}})

    assert (failed.status, failed.error) == (
        JobStatus.FAILED,
        {"code": "input", "message": "Bad.", "data": {"line": 3}},
    )
    assert catalog.cancel("job") == catalog.fail("job", {"code": "other"}) == failed
    assert catalog.set_plan("job", FILTER) == catalog.end_input("job") == []


def test_a_job_that_is_over_takes_no_input(catalog: Catalog) -> None:
    catalog.create_job(new_job())
    (file,) = catalog.add_files("job", [new_file("big")])
    catalog.cancel("job")

    with pytest.raises(StateError, match="cancelled and takes no more chunks"):
        catalog.add_chunks(file.id, chunks_of(1), ended=False)
    with pytest.raises(StateError, match="cancelled and takes no more files"):
        catalog.add_files("job", [new_file("other")])


def test_a_job_is_forgotten_whole_and_only_when_over(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    submit(catalog, GROUP, GIVEN, "gone")
    submit(catalog, GROUP, GIVEN, "kept")
    with pytest.raises(StateError, match="pending and can't be deleted"):
        catalog.delete_job("gone")
    work = work_on(GROUP)
    run_to_end(catalog, work, catalog.admit(), "gone")

    catalog.delete_job("gone")

    for ask in (catalog.job, catalog.progress, catalog.tasks, catalog.attempts, catalog.parts, catalog.keys):
        with pytest.raises(NotFoundError):
            ask("gone")
    with pytest.raises(NotFoundError):
        catalog.delete_job("gone")
    assert work.result(catalog.parts("kept")) == work.expected(GIVEN)
    submit(catalog, GROUP, GIVEN, "gone")
    assert len(catalog.files("gone")) == 3


@pytest.mark.parametrize("method", ["set_plan", "cancel", "fail", "add_files", "end_input", "retry_dead", "progress"])
def test_no_such_job(catalog: Catalog, method: str) -> None:
    arguments = {"set_plan": [GROUP], "fail": [{}], "add_files": [[]]}.get(method, [])

    with pytest.raises(NotFoundError, match="There is no job nix"):
        getattr(catalog, method)("nix", *arguments)
