"""The task protocol in any weather: workers stop, repeat, reorder and come back late, over plans of any shape.

Whatever happens, each task counts once, no count drifts from its rows, no status goes back, and every job ends: with
exactly the answer worked out from its plan, or failed, or cancelled. Chance comes from the seed alone, which names the
test; ``TOLVA_SIMULATIONS`` sets how many seeds there are.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random
from typing import TypeVar

import pytest
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

from tolva.catalog import Catalog, Limits
from tolva.model import Claim, Done, Failed, Job
from tolva.plan import Output, Plan, Stage
from tolva.states import JOB_CHANGES, JobStatus, TaskState

SEEDS = range(int(os.environ.get("TOLVA_SIMULATIONS", "10")))
STEPS = 60
LIMITS = Limits(max_attempts=3, retry_base_seconds=2.0, reduce_task_bytes=3)
LEASE_SECONDS = 10.0
FILES = (("big", "1.csv"), ("big", "2.csv"), ("small", "1.csv"))

Key = tuple[int, int]
T = TypeVar("T")


def key(each: Claim | Done | Failed) -> Key:
    return each.task_id, each.attempt


def any_plan(rng: Random) -> Plan:
    """Return scans and reduces that read whatever earlier stages leave, and a query for each output nobody reads."""
    stages: list[Stage] = []
    made: list[Output] = []
    read: set[str] = set()
    for number in range(rng.randint(1, 4)):
        outputs = [output(f"s{number}o{n}", split=rng.random() < 0.6) for n in range(rng.randint(1, 2))]
        inputs = [reads(each.name) for each in made if rng.random() < 0.2]
        if stages and rng.random() < 0.5:
            taken = {each.output for each in inputs}
            inputs += [reads(o.name, split=True) for o in made if o.partitioned and o.name not in taken]
            stages.append(reduce(f"s{number}", inputs, outputs))
        else:
            stages.append(scan(f"s{number}", rng.choice(["big", "small"]), outputs, inputs))
        read |= {each.output for each in inputs}
        made += outputs
    queries = [finish(f"q {each.name}", reads(each.name)) for each in made if each.name not in read]
    return plan_of(*stages, *queries, partitions=rng.randint(1, 4))


class Simulation:
    """One job, its feeder, a reconciler, and workers that hold claims for as long as they like."""

    def __init__(self, seed: int, catalog: Catalog, clock: FakeClock, work_on: Callable[[Plan], Work]) -> None:
        self.rng = Random(seed)
        self.catalog = catalog
        self.clock = clock
        self.work = work_on(any_plan(self.rng))
        self.given: Input_ = dict.fromkeys(FILES, 0)
        self.uncut = list(FILES)
        self.claims: list[Claim] = []
        self.outcomes: dict[Key, Done | Failed] = {}
        self.accepted: dict[int, int] = {}
        self.last: Job = catalog.create_job(new_job())
        self.files = {(f.table, f.name): f for f in catalog.add_files("job", [new_file(*each) for each in FILES])}
        if self.rng.random() < 0.8:
            self.set_plan()

    def run(self) -> None:
        """Take some steps in bad weather, then let it be fine: what is left must come to its end."""
        actions = {
            self.set_plan: 2,
            self.cut: 6,
            self.end_input: 1,
            self.claim: 12,
            self.work_and_commit: 14,
            self.commit_again: 3,
            self.release: 2,
            self.renew: 2,
            self.let_time_pass: 5,
            self.recheck: 1,
            self.end_early: 0.2,
            self.retry: 3,
        }
        self.cut()
        self.cut()
        for action in self.rng.choices(list(actions), list(actions.values()), k=STEPS):
            action()
            self.check()
        self.finish()

    # -- what may happen ----------------------------------------------------------------------------------------------

    def set_plan(self) -> None:
        self.catalog.set_plan("job", self.work.plan)

    def cut(self) -> None:
        if not self.uncut or self.last.status.final:
            return
        file = self.rng.choice(self.uncut)
        start = max(0, self.given[file] - self.rng.randint(0, 2))
        self.given[file] += self.rng.randint(0, 3)
        ended = self.rng.random() < 0.3
        self.catalog.add_chunks(self.files[file].id, chunks_of(self.given[file])[start:], ended=ended)
        if ended:
            self.uncut.remove(file)

    def end_input(self) -> None:
        self.catalog.end_input("job")

    def claim(self) -> None:
        """Claim some tasks, by fresh hints or by lost, repeated and old ones."""
        self.catalog.admit()
        known = [task.id for task in self.catalog.tasks("job")]
        wanted = self.some(known) if self.rng.random() < 0.3 else [hint.task_id for hint in self.catalog.ready()]
        claims = self.catalog.claim(wanted, "worker", LEASE_SECONDS)
        assert {claim.task_id for claim in claims} <= set(wanted) - set(self.accepted)
        self.claims += claims

    def work_and_commit(self) -> None:
        """Commit what some claims came to, however old they are; now and then, the worker forgets that it did."""
        chosen = self.some(self.claims)
        outcomes = [self.outcomes.get(key(claim)) or self.come_to(claim) for claim in chosen]
        if self.rng.random() < 0.8:
            self.claims = [claim for claim in self.claims if claim not in chosen]
        self.outcomes |= {key(outcome): outcome for outcome in outcomes}
        self.commit(outcomes)

    def come_to(self, claim: Claim) -> Done | Failed:
        if self.rng.random() < 0.08:
            return broken(claim, retryable=self.rng.random() < 0.9)
        return self.work.do(claim)

    def commit_again(self) -> None:
        known = list(self.outcomes.values())
        self.commit(self.some(known) + self.some(known))

    def release(self) -> None:
        chosen = self.some(self.claims)
        self.catalog.release([key(claim) for claim in chosen])
        if self.rng.random() < 0.5:
            self.claims = [claim for claim in self.claims if claim not in chosen]

    def renew(self) -> None:
        held = {key(claim) for claim in self.some(self.claims)}
        running = {(t.id, t.attempt) for t in self.catalog.tasks("job") if t.state is TaskState.RUNNING}
        assert self.catalog.renew(held, LEASE_SECONDS) == held - running

    def let_time_pass(self) -> None:
        self.clock.now += self.rng.choice([0.5, 3.0, LEASE_SECONDS])
        self.catalog.expire_leases()
        ready = {hint.task_id for hint in self.catalog.ready()}
        assert ready <= {task.id for task in self.catalog.tasks("job") if task.state is TaskState.READY}
        due = self.catalog.next_due_seconds()
        assert due is None or due > 0.0

    def recheck(self) -> None:
        before = self.catalog.tasks("job")
        assert self.catalog.recheck_barriers() == []
        assert self.catalog.tasks("job") == before

    def end_early(self) -> None:
        if self.rng.random() < 0.5:
            self.catalog.cancel("job")
        else:
            self.catalog.fail("job", {"code": "input", "message": "Bad.", "data": {}})

    def retry(self) -> None:
        if self.last.status is JobStatus.FAILED:
            self.catalog.retry_dead("job")
            self.last = self.catalog.job("job")

    # -- what must hold -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        job = self.catalog.job("job")
        next_ones = JOB_CHANGES[self.last.status]
        # Several changes may have come at once.
        reachable = {self.last.status, *next_ones}.union(*(JOB_CHANGES[each] for each in next_ones))
        assert job.status in reachable, (self.last.status, job.status)
        self.last = job
        tasks = self.catalog.tasks("job")
        for stage in self.catalog.progress("job").stages:
            own = [task for task in tasks if task.stage == stage.name]
            assert stage.created == len(own)
            assert stage.done == len([task for task in own if task.state is TaskState.DONE])
            assert [task.ordinal for task in own] == list(range(len(own)))
        assert {task.id: task.attempt for task in tasks if task.state is TaskState.DONE} == self.accepted
        assert self.catalog.keys("job") == {f"job-{task}-{attempt}" for task, attempt in self.accepted.items()}
        assert all(task.failures <= LIMITS.max_attempts for task in tasks)
        never = {TaskState.READY, TaskState.RUNNING} if job.status.final else {TaskState.DEAD, TaskState.DROPPED}
        assert not {task.state for task in tasks} & never
        assert (job.error is not None) == (job.status is JobStatus.FAILED)

    def commit(self, outcomes: list[Done | Failed]) -> None:
        refused, _ = self.catalog.commit(outcomes)
        for outcome in outcomes:
            if isinstance(outcome, Done) and key(outcome) not in refused:
                assert self.accepted.setdefault(*key(outcome)) == outcome.attempt

    def finish(self) -> None:
        if not self.last.status.final:
            for file in self.uncut:
                self.catalog.add_chunks(self.files[file].id, [], ended=True)
            self.catalog.end_input("job")
            self.set_plan()
        while not self.catalog.job("job").status.final:
            self.catalog.admit()
            self.catalog.expire_leases()
            claims = self.catalog.claim([hint.task_id for hint in self.catalog.ready()], "worker", LEASE_SECONDS)
            self.commit([self.work.do(claim) for claim in claims])
            if not claims and not self.catalog.job("job").status.final:
                due = self.catalog.next_due_seconds()
                assert due is not None, "nothing is ready and nothing will be"
                self.clock.now += due
        self.check()
        self.commit(list(self.outcomes.values()))
        self.check()
        if self.last.status is JobStatus.COMPLETED:
            assert self.work.result(self.catalog.parts("job")) == self.work.expected(self.given)

    def some(self, known: list[T]) -> list[T]:
        return self.rng.sample(known, self.rng.randint(0, min(len(known), 6)))


@pytest.mark.parametrize("seed", SEEDS)
def test_any_course_of_events_counts_every_task_once_and_ends(
    place: Place, clock: FakeClock, work_on: Callable[[Plan], Work], seed: int
) -> None:
    catalog = place.open(LIMITS, clock)
    simulation = Simulation(seed, catalog, clock, work_on)
    simulation.run()
    catalog.close()
