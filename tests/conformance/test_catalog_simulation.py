"""The task protocol under any weather: workers stop, repeat, reorder and come back late, over plans of any shape.

Whatever happens, each task counts once, no count drifts from its rows, no status goes back, and every job ends: with
exactly the answer worked out from its plan, or failed, or cancelled.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from catalog_kit import (
    FakeClock,
    Input_,
    Place,
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
    scan,
)
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tolva.catalog import Limits
from tolva.errors import StateError
from tolva.model import Claim, Done, Failed, Job
from tolva.plan import Input, Plan, Stage
from tolva.states import JOB_CHANGES, JobStatus, TaskState

EXAMPLES = int(os.environ.get("TOLVA_SIMULATIONS", "20"))
LIMITS = Limits(max_attempts=3, retry_base_seconds=2.0, reduce_task_bytes=2)
LEASE_SECONDS = 10.0
FILES = (("big", "1.csv"), ("big", "2.csv"), ("small", "1.csv"))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any plan: scans and reduces that read whatever earlier stages leave, and a query for each output nobody reads."""
    stages: list[Stage] = []
    split: list[str] = []
    whole: list[str] = []
    read: set[str] = set()
    for number in range(draw(st.integers(1, 4))):
        name = f"s{number}"
        outputs = [output(f"{name}o{n}", split=draw(st.booleans())) for n in range(draw(st.integers(1, 2)))]
        inputs: list[Input] = []
        if stages:
            inputs += [reads(each) for each in draw(st.sets(st.sampled_from(split + whole), max_size=2))]
        if stages and draw(st.booleans()):
            if split:
                inputs += [reads(each, split=True) for each in draw(st.sets(st.sampled_from(split), max_size=2))]
            unique = {each.output: each for each in inputs}
            stages.append(reduce(name, unique.values(), outputs))
        else:
            unique = {each.output: each for each in inputs}
            stages.append(scan(name, draw(st.sampled_from(["big", "small"])), outputs, unique.values()))
        read |= set(unique)
        split += [each.name for each in outputs if each.partitioned]
        whole += [each.name for each in outputs if not each.partitioned]
    unread = [each for each in split + whole if each not in read]
    queries = [finish(f"q{n}", reads(each)) for n, each in enumerate(unread)]
    return plan_of(*stages, *queries, partitions=draw(st.integers(1, 3)))


def key(claim: Claim) -> tuple[int, int]:
    return claim.task_id, claim.attempt


class Protocol(RuleBasedStateMachine):
    """One job, its feeder, and workers that hold claims for as long as they like."""

    def __init__(self, adapter: str) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = FakeClock()
        self.catalog = Place(adapter, Path(self.folder.name)).open(LIMITS, self.clock)
        self.given: Input_ = dict.fromkeys(FILES, 0)
        self.ended: set[tuple[str, str]] = set()
        self.claims: list[Claim] = []
        self.outcomes: list[Done | Failed] = []
        self.accepted: dict[int, int] = {}

    def teardown(self) -> None:
        self._finish()
        self.catalog.close()
        self.folder.cleanup()

    @initialize(plan=plans(), late=st.booleans())
    def submit(self, plan: Plan, late: bool) -> None:
        self.work = Work(plan, Path(self.folder.name))
        self.last: Job = self.catalog.create_job(new_job())
        self.files = {(f.table, f.name): f for f in self.catalog.add_files("job", [new_file(*each) for each in FILES])}
        if not late:
            self.set_plan()

    @rule()
    def set_plan(self) -> None:
        self.catalog.set_plan("job", self.work.plan)

    @rule(file=st.sampled_from(FILES), count=st.integers(1, 3), repeated=st.integers(0, 2), ended=st.booleans())
    def cut(self, file: tuple[str, str], count: int, repeated: int, ended: bool) -> None:
        if file in self.ended or self.last.status.final:
            return
        start = max(0, self.given[file] - repeated)
        self.catalog.add_chunks(self.files[file].id, chunks_of(self.given[file] + count)[start:], ended=ended)
        self.given[file] += count
        if ended:
            self.ended.add(file)

    @rule()
    def end_input(self) -> None:
        if self.ended == set(FILES) or self.last.status.final:
            self.catalog.end_input("job")

    @rule()
    def admit(self) -> None:
        self.catalog.admit()

    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        """Claim some tasks, those of lost, repeated and old hints too."""
        known = [task.id for task in self.catalog.tasks("job")]
        wanted = data.draw(st.lists(st.sampled_from(known), max_size=6, unique=True)) if known else []
        claims = self.catalog.claim(wanted, "worker", LEASE_SECONDS)
        assert {claim.task_id for claim in claims} <= set(wanted) - set(self.accepted)
        self.claims += claims

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), fail=st.sampled_from([None] * 5 + [True] * 2 + [False]))
    def work_and_commit(self, data: st.DataObject, fail: bool | None) -> None:
        """Commit what some claims came to, however old they are."""
        chosen = data.draw(st.lists(st.sampled_from(self.claims), min_size=1, max_size=4, unique_by=key))
        outcomes: list[Done | Failed] = [self.work.do(claim) for claim in chosen]
        if fail is not None:
            outcomes[0] = broken(chosen[0], retryable=fail)
        if data.draw(st.booleans()):  # else the worker forgets that it did
            self.claims = [claim for claim in self.claims if claim not in chosen]
        self.outcomes += outcomes
        self._commit(outcomes)

    @precondition(lambda self: self.outcomes)
    @rule(data=st.data())
    def commit_again(self, data: st.DataObject) -> None:
        self._commit(data.draw(st.lists(st.sampled_from(self.outcomes), min_size=1, max_size=4)))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), forget=st.booleans())
    def release(self, data: st.DataObject, forget: bool) -> None:
        chosen = data.draw(st.lists(st.sampled_from(self.claims), min_size=1, unique_by=key))
        self.catalog.release([key(claim) for claim in chosen])
        if forget:
            self.claims = [claim for claim in self.claims if claim not in chosen]

    @precondition(lambda self: self.claims)
    @rule()
    def renew(self) -> None:
        held = {key(claim) for claim in self.claims}
        running = {(t.id, t.attempt) for t in self.catalog.tasks("job") if t.state is TaskState.RUNNING}
        assert self.catalog.renew(held, LEASE_SECONDS) == held - running

    @rule(seconds=st.sampled_from([0.5, 3.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def reconcile(self) -> None:
        self.catalog.admit()
        self.catalog.expire_leases()
        self.catalog.recheck_barriers()
        due = self.catalog.next_due_seconds()
        ready = {hint.task_id for hint in self.catalog.ready()}
        assert ready <= {task.id for task in self.catalog.tasks("job") if task.state is TaskState.READY}
        assert due is None or due >= 0.0

    @rule(chance=st.integers(0, 30))
    def end_early(self, chance: int) -> None:
        if chance == 30:
            self.catalog.cancel("job")
        elif chance == 29:
            self.catalog.fail("job", {"code": "input", "message": "Bad.", "data": {}})

    @precondition(lambda self: self.last.status is JobStatus.FAILED)
    @rule()
    def retry(self) -> None:
        self.catalog.retry_dead("job")
        self.last = self.catalog.job("job")

    @invariant()
    def rows_agree(self) -> None:
        if not hasattr(self, "work"):
            return
        job = self.catalog.job("job")
        # Several steps may have been taken at once.
        assert job.status is self.last.status or job.status in self._reachable(self.last.status), job.status
        self.last = job
        tasks = self.catalog.tasks("job")
        for stage in self.catalog.progress("job").stages:
            own = [task for task in tasks if task.stage == stage.name]
            assert stage.created == len(own)
            assert stage.done == len([task for task in own if task.state is TaskState.DONE])
            assert [task.ordinal for task in own] == list(range(len(own)))
        assert {task.id: task.attempt for task in tasks if task.state is TaskState.DONE} == self.accepted
        states = {task.state for task in tasks}
        if job.status.final:
            assert not states & {TaskState.READY, TaskState.RUNNING}
        else:
            assert not states & {TaskState.DEAD, TaskState.DROPPED}
        assert (job.error is not None) == (job.status is JobStatus.FAILED)
        stored = {f"job-{task_id}-{attempt}" for task_id, attempt in self.accepted.items()}
        assert self.catalog.keys("job") == stored

    @staticmethod
    def _reachable(status: JobStatus) -> set[JobStatus]:
        return set(JOB_CHANGES[status]).union(*(JOB_CHANGES[each] for each in JOB_CHANGES[status]))

    def _commit(self, outcomes: list[Done | Failed]) -> None:
        refused, _ = self.catalog.commit(outcomes)
        for outcome in outcomes:
            attempt = (outcome.task_id, outcome.attempt)
            if isinstance(outcome, Done) and attempt not in refused:
                assert self.accepted.setdefault(*attempt) == outcome.attempt

    def _finish(self) -> None:
        """Let the weather be fine: what is left must come to its end by what reconciler and workers do."""
        if not hasattr(self, "work"):
            return
        self._end_all_input()
        self.set_plan()
        while not self.catalog.job("job").status.final:
            self.catalog.admit()
            self.catalog.expire_leases()
            claims = self.catalog.claim([hint.task_id for hint in self.catalog.ready()], "worker", LEASE_SECONDS)
            self._commit([self.work.do(claim) for claim in claims])
            if not claims:
                due = self.catalog.next_due_seconds()
                assert due is not None, "nothing is ready and nothing will be"
                self.clock.now += due
        self.rows_agree()
        if self.last.status is JobStatus.COMPLETED:
            assert self.work.result(self.catalog.parts("job")) == self.work.expected(self.given)

    def _end_all_input(self) -> None:
        for file in FILES:
            try:
                self.catalog.add_chunks(self.files[file].id, [], ended=True)
            except StateError:
                assert self.catalog.job("job").status.final
        self.catalog.end_input("job")


def test_any_course_of_events_counts_every_task_once_and_ends(place: Place) -> None:
    def machine() -> Any:
        return Protocol(place.adapter)

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
