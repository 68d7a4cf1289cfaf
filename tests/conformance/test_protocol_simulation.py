"""The protocol under its own code: real workers, reconciler and catalog, with messages and processes that misbehave.

Each message is delivered up to three times, in any order, or lost. A worker may die, or stand still while others go on
and its lease ends, before and after each of its steps. In the end each task counts once, none is lost, and the answer
is what the plan says. Chance comes from the seed alone; ``TOLVA_DELIVERIES`` says how many seeds there are (``make
simulation``: 10,000).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from catalog_kit import SHAPES, FakeClock, Work, submit

from tolva.catalog import Limits
from tolva.catalogs.sqlite import SqliteCatalog
from tolva.jobs.reconciler import Reconciler
from tolva.model import Done, Hint
from tolva.states import JobStatus, TaskState
from tolva.work.worker import Worker

SEEDS = int(os.environ.get("TOLVA_DELIVERIES", "50"))
FIRST_SEED = int(os.environ.get("TOLVA_SEED", "0"))
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there; on a disk each commit would be synced
LEASE_SECONDS = 10.0
LIMITS = Limits(max_attempts=1000, retry_base_seconds=0.0, reduce_task_bytes=2)
PLANS = [plan for name, plan in SHAPES.items() if name not in ("no table", "nothing")]
MOST_COPIES = 3
STEPS = ("claim", "commit", "release", "admit", "expire_leases", "recheck_barriers")
MOST_STANDING_STILL = 3
"""How many workers may stand still at once, each within a step of the one before."""


class DiedError(BaseException):
    """The worker's process is gone: nothing of it goes on, not even its handling of errors."""


class Mail:
    """The dispatcher: a bag of messages, out of which any is next."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.bag: list[list[Hint]] = []

    def publish(self, hints: Iterable[Hint]) -> None:
        left = list(hints)
        while left:
            size = self._rng.randint(1, 3)
            message, left = left[:size], left[size:]
            # Most arrive; a few are lost with the broker.
            copies = self._rng.choice([0, 1, 1, 2, 2, MOST_COPIES])
            self.bag += [message] * copies

    def offer(self, hints: Iterable[Hint]) -> None:
        if not self.bag or self._rng.random() < 0.05:
            self.publish(hints)

    def drain(self, _seconds: float) -> bool:
        return True

    def take(self) -> list[Hint]:
        return self.bag.pop(self._rng.randrange(len(self.bag)))


class Steps:
    """The catalog, and what may happen before and after each step that a process takes with it."""

    def __init__(self, catalog: SqliteCatalog, happen: Callable[[], None]) -> None:
        self._catalog = catalog
        self._happen = happen

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._catalog, name)

        def step(*args: Any, **options: Any) -> Any:
            self._happen()
            result = method(*args, **options)
            self._happen()
            return result

        return step if name in STEPS else method

    def renew(self, _attempts: object, _lease_seconds: float) -> set[tuple[int, int]]:
        """Renew nothing: a thread calls this by the real time, and every lease shall be able to end."""
        return set()


class Files:
    """The storage, as far as the worker itself uses it: to throw away what was refused."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            (self._folder / key).unlink()


class Course:
    """One job, and all that happens to it."""

    def __init__(self, catalog: SqliteCatalog, clock: FakeClock, folder: Path, seed: int) -> None:
        self.rng = Random(seed)
        self._catalog = catalog
        self._clock = clock
        self._folder = folder
        self.job_id = f"job{seed}"
        self.work = Work(self.rng.choice(PLANS), folder)
        self.mail = Mail(self.rng)
        self._fair = False  # nothing bad happens any more
        self._standing_still = 0
        self._deaths = self.rng.randint(0, 10)
        steps_of_worker: Any = Steps(catalog, self.happen)
        steps_of_reconciler: Any = Steps(catalog, self.perhaps_die)
        files: Any = Files(folder)
        mail: Any = self.mail
        children: Any = self
        self._worker = Worker(
            steps_of_worker,
            files,
            mail,
            children,
            name="worker",
            lease_seconds=LEASE_SECONDS,
            task_seconds=None,
            on_change=lambda _: None,
        )
        self._reconciler = Reconciler(steps_of_reconciler, mail, lambda _: None)

    def play(self) -> None:
        """Let the job come to its end, by way of everything that may happen."""
        given = {("big", "1.csv"): self.rng.randint(1, 5), ("small", "1.csv"): self.rng.randint(1, 2)}
        submit(self._catalog, self.work.plan, given, self.job_id)
        try:
            for _ in range(self.rng.randint(5, 25)):
                self.something()
            self._fair = True
            while not self._catalog.job(self.job_id).status.final:
                self._deliver() if self.mail.bag else self._look_after()
            for _ in range(len(self.mail.bag)):  # what still arrives changes nothing
                self._deliver()
        finally:
            self._worker.stop(0)
        self._check(given)

    def something(self) -> None:
        """Deliver a message, or let the reconciler look, now or after a while."""
        if self.mail.bag and self.rng.random() < 0.8:
            self._deliver()
        else:
            self._look_after()

    def perhaps_die(self) -> None:
        if not self._fair and self._deaths and self.rng.random() < 0.08:
            self._deaths -= 1
            raise DiedError

    def happen(self) -> None:
        """Let come what may between two steps of a worker."""
        self.perhaps_die()
        if not self._fair and self._standing_still < MOST_STANDING_STILL and self.rng.random() < 0.15:
            self._standing_still += 1
            try:
                for _ in range(self.rng.randint(1, 4)):
                    self.something()
            finally:
                self._standing_still -= 1

    def run(self, request: Any, **_: Any) -> list[Done]:
        """Be the worker's children."""
        self.happen()
        outcomes = [self.work.do(claim) for _, claims in request for claim in claims]
        self.happen()
        return outcomes

    def close(self) -> None:
        """Be children that end."""

    def _deliver(self) -> None:
        message = self.mail.take()
        try:
            self._worker.handle(message)
            self.happen()
        except DiedError:
            if self.rng.random() < 0.9:  # not acknowledged, it is delivered again, unless the broker dies as well
                self.mail.bag.append(message)

    def _look_after(self) -> None:
        pauses = [LEASE_SECONDS + 1.0] if self._fair else [0.1, LEASE_SECONDS / 2, LEASE_SECONDS + 1.0]
        self._clock.now += self.rng.choice(pauses)
        try:
            self._reconciler.reconcile()
        except DiedError:
            return

    def _check(self, given: dict[tuple[str, str], int]) -> None:
        job = self._catalog.job(self.job_id)
        assert job.status is JobStatus.COMPLETED, job.error
        tasks = self._catalog.tasks(self.job_id)
        assert {task.state for task in tasks} == {TaskState.DONE}
        done = [each for each in self._catalog.attempts(self.job_id) if each.outcome == "done"]
        assert sorted(each.task_id for each in done) == sorted(task.id for task in tasks)
        kept = self._catalog.keys(self.job_id)
        assert kept == {f"{self.job_id}-{each.task_id}-{each.attempt}" for each in done}
        assert kept <= {path.name for path in self._folder.iterdir()}
        assert self.work.result(self._catalog.parts(self.job_id)) == self.work.expected(given)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that costs nothing to sync."""
    folder = Path(tempfile.mkdtemp(prefix="tolva-", dir=MEMORY)) if MEMORY.is_dir() else tmp_path
    yield folder
    shutil.rmtree(folder)


def test_in_any_order_and_whoever_dies_every_task_counts_once(memory: Path, clock: FakeClock) -> None:
    print(f"TOLVA_SEED={FIRST_SEED} TOLVA_DELIVERIES={SEEDS}")
    catalog = SqliteCatalog(memory / "catalog.db", limits=LIMITS, clock=clock)
    for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
        folder = memory / str(seed)
        folder.mkdir()
        try:
            Course(catalog, clock, folder, seed).play()
        except BaseException as error:
            error.add_note(f"TOLVA_SEED={seed} TOLVA_DELIVERIES=1 repeats it")
            raise
        catalog.delete_job(f"job{seed}")
        shutil.rmtree(folder)
    catalog.close()
