"""The task protocol: claim, renew, commit, fail, hand back; and who may do it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from catalog_kit import (
    EAGER,
    FILTER,
    GROUP,
    LEASE_SECONDS,
    SHAPES,
    FakeClock,
    Input_,
    Work,
    broken,
    chunks_of,
    finish,
    new_file,
    new_job,
    output,
    plan_of,
    reads,
    reduce,
    run_to_end,
    scan,
    submit,
)

from tolva.catalog import Catalog, Limits
from tolva.errors import StateError
from tolva.model import Claim, Done, Failed, Hint, Partial, Segment
from tolva.plan import Input, Plan, Reads, Role
from tolva.states import JobStatus, TaskState

GIVEN: Input_ = {("big", "1.csv"): 3}
PATIENT = Limits(retry_base_seconds=4.0, retry_max_seconds=10.0)


def claim_all(catalog: Catalog, hints: list[Hint] | None = None, worker: str = "w") -> list[Claim]:
    ids = [hint.task_id for hint in (catalog.ready() if hints is None else hints)]
    return catalog.claim(ids, worker, LEASE_SECONDS)


def started(catalog: Catalog, plan: Plan = FILTER, given: Input_ = GIVEN) -> list[Hint]:
    submit(catalog, plan, given)
    return catalog.admit()


def key(claim: Claim) -> tuple[int, int]:
    return claim.task_id, claim.attempt


# -- claim ------------------------------------------------------------------------------------------------------------


def test_a_claim_says_all_that_a_scan_needs(catalog: Catalog, clock: FakeClock) -> None:
    hints = started(catalog)
    backwards = [hint.task_id for hint in hints][::-1]

    claims = catalog.claim(backwards, "w", 7.5)

    assert [claim.task_id for claim in claims] == backwards
    claim = claims[0]
    assert (claim.attempt, claim.job_id, claim.stage, claim.role, claim.ordinal) == (1, "job", "s", Role.SCAN, 2)
    assert claim.lease_until == clock.now + 7.5
    assert claim.file == catalog.files("job")[0]
    assert claim.chunk == chunks_of(3)[2]
    assert (claim.partitions, claim.partials) == ((), ())


@pytest.mark.parametrize("pieces", [[5, 0], []])
def test_each_piece_that_was_left_is_a_task(catalog: Catalog, pieces: list[int]) -> None:
    each = reduce("r", [Input("a", "a", Reads.EACH)], [output("b")])
    plan = plan_of(scan("s", "big", [output("a")]), each, finish("q", reads("b")), partitions=1)
    started(catalog, plan, {("big", "1.csv"): 1})
    (claim,) = claim_all(catalog)
    # However small they are, and however many more than hash partitions.
    segments = tuple(Segment("a", number, place, 1, 1) for place, number in enumerate(pieces))
    partial = Partial("k", len(pieces), "s", segments) if pieces else None
    catalog.commit([Done(claim.task_id, claim.attempt, partial)])

    claims = sorted(claim_all(catalog), key=lambda claim: claim.ordinal)

    if pieces:
        assert [(claim.stage, claim.partitions) for claim in claims] == [("r", (0,)), ("r", (5,))]
        assert [partial.segments for claim in claims for partial in claim.partials] == [(segments[1],), (segments[0],)]
    else:
        assert [claim.stage for claim in claims] == ["finish q"]


def test_a_reduce_gets_the_segments_of_its_partitions_and_all_of_what_is_broadcast(
    catalog: Catalog, work_on: Callable[[Plan], Work]
) -> None:
    plan = SHAPES["reduce with a broadcast"]
    work = work_on(plan)
    hints = started(catalog, plan, {("big", "1.csv"): 4, ("small", "1.csv"): 2})
    _, hints = catalog.commit([work.do(claim) for claim in claim_all(catalog, hints)])

    claims = claim_all(catalog, hints)

    assert sorted(p for claim in claims for p in claim.partitions) == [0, 1, 2]
    for claim in claims:
        segments = [segment for partial in claim.partials for segment in partial.segments]
        assert len([segment for segment in segments if segment.output == "a"]) == 2
        assert {segment.partition for segment in segments if segment.output == "b"} <= set(claim.partitions)


def test_partials_come_in_the_order_of_the_input_however_it_was_cut_and_committed(catalog: Catalog) -> None:
    catalog.create_job(new_job())
    catalog.set_plan("job", FILTER)
    first, second = catalog.add_files("job", [new_file("big", "b"), new_file("big", "a")])
    catalog.add_chunks(second.id, chunks_of(1), ended=False)
    catalog.add_chunks(first.id, chunks_of(2), ended=True)
    catalog.add_chunks(second.id, chunks_of(2), ended=True)
    catalog.end_input("job")
    claims = {(c.file.name, c.chunk.offset): c for c in claim_all(catalog, catalog.admit()) if c.file and c.chunk}
    for name, offset in [("a", 10), ("b", 10), ("b", 0), ("a", 0)]:
        claim = claims[name, offset]
        left = Partial(f"{name}@{offset}", 2, "sha", (Segment("a", 0, 0, 1, 1), Segment("unread", 0, 1, 1, 1)))
        _, hints = catalog.commit([Done(claim.task_id, claim.attempt, left)])

    (finishing,) = claim_all(catalog, hints)

    assert [partial.key for partial in finishing.partials] == ["b@0", "b@10", "a@0", "a@10"]
    assert {partial.segments for partial in finishing.partials} == {(Segment("a", 0, 0, 1, 1),)}
    assert hints[0].bytes == 4


def test_reduce_tasks_are_sized_by_what_their_partitions_hold(opened: Callable[[Limits], Catalog]) -> None:
    catalog = opened(Limits(reduce_task_bytes=100))
    (claim,) = claim_all(catalog, started(catalog, GROUP, {("big", "1.csv"): 1}))
    sizes = [60, 40, 90]
    segments = tuple(Segment("a", p, 0, size, 1) for p, size in enumerate(sizes))

    _, hints = catalog.commit([Done(claim.task_id, claim.attempt, Partial("k", 190, "sha", segments))])

    assert [hint.bytes for hint in hints] == [100, 90]
    assert [claim.partitions for claim in claim_all(catalog, hints)] == [(0, 1), (2,)]


def test_a_task_is_claimed_by_one(catalog: Catalog) -> None:
    hints = started(catalog)

    assert len(claim_all(catalog, hints)) == 3
    assert claim_all(catalog, hints) == []
    assert catalog.claim([10**6], "w", LEASE_SECONDS) == catalog.claim([], "w", LEASE_SECONDS) == []


def test_tasks_of_a_job_that_was_not_admitted_are_not_claimed(catalog: Catalog) -> None:
    submit(catalog, FILTER, GIVEN)

    assert catalog.ready() == []
    assert catalog.claim([task.id for task in catalog.tasks("job")], "w", LEASE_SECONDS) == []


def test_ready_tells_what_nobody_took_oldest_first(catalog: Catalog) -> None:
    hints = started(catalog)
    assert catalog.ready() == hints
    claim_all(catalog, hints[:1])

    assert catalog.ready() == catalog.ready(job_id="job") == hints[1:]
    assert catalog.ready(limit=1) == hints[1:2]
    assert catalog.ready(job_id="other") == []


# -- commit -----------------------------------------------------------------------------------------------------------


def test_the_last_commit_of_a_stage_makes_the_next_one_ready(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    work = work_on(FILTER)
    first, *others = claim_all(catalog, started(catalog))

    assert catalog.commit([work.do(claim) for claim in others]) == (set(), [])
    refused, hints = catalog.commit([work.do(first)])

    assert refused == set()
    assert [hint.role for hint in hints] == [Role.FINISH]
    assert catalog.ready() == hints


def test_a_repeated_commit_is_accepted_and_changes_nothing(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    work = work_on(FILTER)
    done = [work.do(claim) for claim in claim_all(catalog, started(catalog))]
    _, hints = catalog.commit(done)
    before = catalog.progress("job"), catalog.tasks("job"), catalog.attempts("job")

    assert catalog.commit([*done, *done]) == (set(), [])

    assert (catalog.progress("job"), catalog.tasks("job"), catalog.attempts("job")) == before
    run_to_end(catalog, work, hints)
    assert catalog.commit(done) == (set(), [])
    assert catalog.job("job").status is JobStatus.COMPLETED


def test_one_outcome_twice_in_a_call_counts_once(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    done = [work_on(FILTER).do(claim) for claim in claim_all(catalog, started(catalog))]

    assert catalog.commit([done[0], *done, done[2]])[0] == set()
    assert catalog.progress("job").stages[0].done == 3


def test_a_stale_attempt_changes_nothing(catalog: Catalog, clock: FakeClock, work_on: Callable[[Plan], Work]) -> None:
    work = work_on(FILTER)
    stopped = claim_all(catalog, started(catalog), "stopped")
    clock.now += LEASE_SECONDS
    catalog.expire_leases()
    fresh = claim_all(catalog, worker="fresh")
    assert [claim.attempt for claim in fresh] == [2, 2, 2]

    assert catalog.commit([work.do(stopped[0])]) == ({key(stopped[0])}, [])
    assert catalog.commit([broken(stopped[1])]) == ({key(stopped[1])}, [])
    assert catalog.renew([key(stopped[2])], LEASE_SECONDS) == {key(stopped[2])}
    assert catalog.release([key(claim) for claim in stopped]) == []

    assert [task.state for task in catalog.tasks("job")] == [TaskState.RUNNING] * 3
    refused, _ = catalog.commit([work.do(claim) for claim in (*stopped, *fresh)])
    assert refused == {key(claim) for claim in stopped}
    assert {partial_key.rsplit("-", 1)[1] for partial_key in catalog.keys("job")} == {"2"}
    assert [a.outcome for a in catalog.attempts("job")] == ["lost"] * 3 + ["done"] * 3


def test_an_attempt_past_its_lease_may_commit_while_nobody_took_the_task(
    catalog: Catalog, clock: FakeClock, work_on: Callable[[Plan], Work]
) -> None:
    claims = claim_all(catalog, started(catalog))
    clock.now += 100 * LEASE_SECONDS

    assert catalog.commit([work_on(FILTER).do(claim) for claim in claims])[0] == set()


def test_outcomes_of_several_jobs_go_in_one_call(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    for job_id in ("a", "b"):
        submit(catalog, FILTER, GIVEN, job_id)
    work = work_on(FILTER)

    run_to_end(catalog, work, catalog.admit(), "b")

    for job_id in ("a", "b"):
        assert work.result(catalog.parts(job_id)) == work.expected(GIVEN)


# -- leases -----------------------------------------------------------------------------------------------------------


def test_a_renewed_lease_doesn_t_end(catalog: Catalog, clock: FakeClock) -> None:
    claims = claim_all(catalog, started(catalog))
    kept, lost = key(claims[0]), key(claims[1])
    clock.now += LEASE_SECONDS - 1
    assert catalog.renew([kept], LEASE_SECONDS) == set()
    clock.now += 1

    catalog.expire_leases()

    states = {task.id: task.state for task in catalog.tasks("job")}
    assert (states[kept[0]], states[lost[0]]) == (TaskState.RUNNING, TaskState.READY)
    assert catalog.renew([kept, lost], LEASE_SECONDS) == {lost}


def test_an_ended_lease_costs_an_attempt(catalog: Catalog, clock: FakeClock) -> None:
    started(catalog)
    for _ in range(EAGER.max_attempts):
        claim_all(catalog)
        clock.now += LEASE_SECONDS
        catalog.expire_leases()

    job = catalog.job("job")
    assert job.status is JobStatus.FAILED
    assert job.error
    assert job.error["code"] == "dead_task"
    assert {attempt["outcome"] for attempt in job.error["data"]["attempts"]} == {"lost"}
    assert "lease" in job.error["message"]


def test_expiring_gives_hints_for_what_is_ready_again(catalog: Catalog, clock: FakeClock) -> None:
    hints = started(catalog)
    claim_all(catalog, hints)
    assert catalog.expire_leases() == []
    clock.now += LEASE_SECONDS

    assert catalog.expire_leases() == hints
    assert catalog.expire_leases() == []


def test_the_catalog_tells_when_something_is_due(opened: Callable[[Limits], Catalog], clock: FakeClock) -> None:
    catalog = opened(PATIENT)
    assert catalog.next_due_seconds() is None
    first, second, _ = claim_all(catalog, started(catalog))
    assert catalog.next_due_seconds() == LEASE_SECONDS
    clock.now += 1
    assert catalog.next_due_seconds() == LEASE_SECONDS - 1
    catalog.commit([broken(first)])
    pause = catalog.next_due_seconds()
    assert pause is not None
    assert 2.0 <= pause <= 4.0
    clock.now += pause
    assert catalog.next_due_seconds() == 0.0
    assert [hint.task_id for hint in catalog.ready()] == [first.task_id]
    assert catalog.next_due_seconds() == LEASE_SECONDS - 1 - pause  # the retry was told of; nobody is woken again
    clock.now += 2 * LEASE_SECONDS
    assert catalog.next_due_seconds() == 0.0
    catalog.renew([key(second)], LEASE_SECONDS)
    catalog.expire_leases()
    assert catalog.next_due_seconds() is not None


# -- failures ---------------------------------------------------------------------------------------------------------


def test_a_failed_task_waits_longer_each_time(opened: Callable[[Limits], Catalog], clock: FakeClock) -> None:
    catalog = opened(Limits(max_attempts=5, retry_base_seconds=4.0, retry_max_seconds=10.0))
    hints = started(catalog, FILTER, {("big", "1.csv"): 1})
    for longest in (4.0, 8.0, 10.0, 10.0):
        (claim,) = claim_all(catalog, hints)
        assert catalog.commit([broken(claim)]) == (set(), [])
        assert catalog.ready() == claim_all(catalog, hints) == []
        clock.now += longest / 2 - 0.01
        assert catalog.ready() == []
        clock.now += longest / 2 + 0.01
        hints = catalog.ready()
        assert len(hints) == 1

    assert [attempt.outcome for attempt in catalog.attempts("job")] == ["failed"] * 4
    (task,) = catalog.tasks("job")
    assert (task.state, task.failures, task.attempt) == (TaskState.READY, 4, 4)
    assert task.error
    assert task.error["message"] == "It broke."


def test_a_paused_task_may_be_claimed_once_it_is_due(opened: Callable[[Limits], Catalog], clock: FakeClock) -> None:
    catalog = opened(PATIENT)
    hints = started(catalog, FILTER, {("big", "1.csv"): 1})
    catalog.commit([broken(claim) for claim in claim_all(catalog, hints)])
    assert claim_all(catalog, hints) == []
    clock.now += PATIENT.retry_base_seconds

    assert len(claim_all(catalog, hints)) == 1
    assert catalog.next_due_seconds() == LEASE_SECONDS


def test_a_task_that_used_up_its_attempts_fails_its_job(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    hints = started(catalog)
    other, *_ = claim_all(catalog, hints[1:2])
    for number in range(EAGER.max_attempts):
        (claim,) = claim_all(catalog, hints[:1])
        catalog.commit([broken(claim, f"Try {number}.")])

    job = catalog.job("job")
    assert job.status is JobStatus.FAILED
    assert job.error
    assert job.error["code"] == "dead_task"
    assert "Task 0 of stage s failed 3 times; the last error was: Try 2." in job.error["message"]
    assert [a["error"]["message"] for a in job.error["data"]["attempts"]] == ["Try 0.", "Try 1.", "Try 2."]
    assert [task.state for task in catalog.tasks("job")] == [TaskState.DEAD, TaskState.DROPPED, TaskState.DROPPED]
    assert catalog.commit([work_on(FILTER).do(other)])[0] == {key(other)}
    assert catalog.ready() == []


def test_a_failure_that_another_try_can_t_mend_fails_the_job_at_once(catalog: Catalog) -> None:
    claim, *_ = claim_all(catalog, started(catalog))

    catalog.commit([broken(claim, "Line 3 is bad.", retryable=False)])

    job = catalog.job("job")
    assert job.status is JobStatus.FAILED
    assert job.error
    assert job.error["message"] == "Line 3 is bad."
    assert catalog.tasks("job")[0].state is TaskState.DEAD


def test_two_tasks_that_die_in_one_call_fail_the_job_once(catalog: Catalog) -> None:
    claims = claim_all(catalog, started(catalog))

    catalog.commit([broken(claim, f"{claim.ordinal}", retryable=False) for claim in claims])

    job = catalog.job("job")
    assert job.error
    assert job.error["message"] == "0"
    assert [task.state for task in catalog.tasks("job")] == [TaskState.DEAD, TaskState.DROPPED, TaskState.DROPPED]


def test_a_repeated_failure_costs_one_attempt(catalog: Catalog) -> None:
    claim, *_ = claim_all(catalog, started(catalog))

    for _ in range(5):
        refused, _ = catalog.commit([broken(claim)])
        assert refused == set()

    assert catalog.tasks("job")[0].failures == 1
    done = Done(claim.task_id, claim.attempt)
    assert catalog.commit([done])[0] == {key(claim)}


def test_what_is_done_stays_done_when_a_task_of_the_same_call_dies(
    catalog: Catalog, work_on: Callable[[Plan], Work]
) -> None:
    good, bad, _ = claim_all(catalog, started(catalog))
    outcomes: list[Done | Failed] = [broken(bad, retryable=False), work_on(FILTER).do(good)]

    assert catalog.commit(outcomes)[0] == set()

    assert [task.state for task in catalog.tasks("job")] == [TaskState.DONE, TaskState.DEAD, TaskState.DROPPED]


# -- hand back, retry -------------------------------------------------------------------------------------------------


def test_a_task_handed_back_is_ready_at_once_and_no_attempt_is_spent(catalog: Catalog) -> None:
    hints = started(catalog)
    for number in range(1, EAGER.max_attempts + 3):
        claims = claim_all(catalog, hints)
        assert {claim.attempt for claim in claims} == {number}
        assert catalog.release([key(claim) for claim in claims]) == hints

    assert {task.failures for task in catalog.tasks("job")} == {0}
    assert {attempt.outcome for attempt in catalog.attempts("job")} == {"released"}
    assert catalog.release([key(claim) for claim in claims]) == catalog.release([]) == []


def test_all_of_a_job_s_attempts_can_be_handed_back(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    for job_id in ("a", "b"):
        submit(catalog, FILTER, GIVEN, job_id)
    claims = claim_all(catalog, catalog.admit())
    of_a = [claim for claim in claims if claim.job_id == "a"]
    catalog.commit([work_on(FILTER).do(of_a[0])])

    hints = catalog.release_job("a")

    assert [hint.task_id for hint in hints] == [claim.task_id for claim in of_a[1:]]
    assert {task.state for task in catalog.tasks("b")} == {TaskState.RUNNING}
    assert catalog.release_job("a") == catalog.release_job("none") == []


def test_a_failed_job_can_be_retried_and_keeps_what_is_done(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    work = work_on(FILTER)
    good, bad, _ = claim_all(catalog, started(catalog))
    catalog.commit([work.do(good), broken(bad, retryable=False)])

    retried = catalog.retry_dead("job")

    assert (retried.status, retried.error, retried.completed_on) == (JobStatus.PENDING, None, None)
    assert [task.state for task in catalog.tasks("job")] == [TaskState.DONE, TaskState.READY, TaskState.READY]
    hints = catalog.admit()
    assert bad.task_id in {hint.task_id for hint in hints}
    assert catalog.commit([work.do(bad)])[0] == {key(bad)}
    run_to_end(catalog, work, hints)
    assert work.result(catalog.parts("job")) == work.expected(GIVEN)
    assert len([a for a in catalog.attempts("job") if a.task_id == good.task_id]) == 1
    with pytest.raises(StateError, match="completed; only a failed job"):
        catalog.retry_dead("job")


def test_barriers_can_be_checked_again_at_any_time(catalog: Catalog, work_on: Callable[[Plan], Work]) -> None:
    work = work_on(GROUP)
    hints = started(catalog, GROUP)
    assert catalog.recheck_barriers() == []
    catalog.commit([work.do(claim) for claim in claim_all(catalog, hints)])
    before = catalog.tasks("job")

    assert catalog.recheck_barriers() == []

    assert catalog.tasks("job") == before
