"""Processes of a fleet die at named places, in jobs of every kind: whoever comes next takes up what is left.

By default one place in a job of one kind is taken, chosen by the seed; ``make chaos`` takes each place of each kind
five times.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import mixed_jobs
import pytest
from fleet import Fleet, wait_for

from servers.postgresql import Postgresql
from servers.rabbitmq import Rabbitmq
from servers.s3 import S3
from tolva.states import JobStatus

SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
PER_CENT = float(os.environ.get("TOLVA_CHAOS", "0"))
TIMES = 5
LEASE_SECONDS = "3"
ATTEMPTS = 100
KINDS = ("query", "export", "ingest")
ANY = "any"
GOOD = (0, 3)
"""The exit codes of jobs that are done; 3: with rejects."""
_REPORTED_DEATHS = 20

OF_WORKERS = [
    *(f"catalog.{step}.{when}" for step in ("claim", "commit", "renew") for when in ("before", "after")),
    "worker.told",
]
OF_CHILDREN = ["storage.put.before", "storage.put.unfinished", "storage.put.after"]
OF_SUBMITTERS = [
    *(
        f"catalog.{step}.{when}"
        for step in ("create_job", "add_files", "set_plan", "add_chunks", "admit", "end_input", "mark_retrieved")
        for when in ("before", "after")
    ),
    *("catalog.recheck_barriers.before", "deliver.before_rename", "deliver.after_rename", "deliver.before_manifest"),
    *("storage.delete.before", "storage.delete.after"),
]
OF_LOADS = ["catalog.begin_load.before", "catalog.begin_load.after", "catalog.retire_objects.after"]


Death = tuple[Callable[["Jobs", str], bool], str]
"""A way to die, and the place."""


class Jobs:
    """Jobs of one kind, each with an output folder of its own, and whether its results are right."""

    def __init__(self, fleet: Fleet, kind: str, folder: Path, chance: random.Random) -> None:
        self.fleet = fleet
        self._kind = kind
        self._folder = folder
        self._daily = mixed_jobs.Daily(folder / "days", "kept", chance.choice(["append", "upsert"]), chance)
        self._number = 0
        folder.mkdir()
        mixed_jobs.write_facts(folder / "data")

    def words(self) -> list[str | Path]:
        """Return the words that run the next job."""
        self._number += 1
        if self._kind == "query":
            document, data = mixed_jobs.query("joined"), self._folder / "data"
        elif self._kind == "export":
            document, data = mixed_jobs.export(), self._folder
        else:
            self._daily.next_day()
            document, data = self._daily.document(), self._folder / "days"
        path = self._folder / f"{self._number}.yaml"
        path.write_text(json.dumps(document))
        return ["run", path, "--data", data, "--output", self._output, "-q", "--chunk", "16KB"]

    def check(self) -> None:
        """See that the job that ran last did all, once."""
        if self._kind == "query":
            assert mixed_jobs.records(self._output) == mixed_jobs.answer("joined")
        elif self._kind == "export":
            assert mixed_jobs.exported(self._output) == mixed_jobs.claims()
        else:
            path = self._folder / "content.yaml"
            path.write_text(json.dumps(self._daily.content()))
            out = self._folder / f"content-{self._number}"
            self.fleet.run("run", path, "--output", out, "-q")
            assert mixed_jobs.records(out) == self._daily.expected()

    @property
    def _output(self) -> Path:
        return self._folder / f"out-{self._number}"


@pytest.mark.parametrize("kind", KINDS if PER_CENT else [ANY])
def test_whoever_dies_at_a_named_place_is_made_up_for(
    postgresql: Postgresql, rabbitmq: Rabbitmq, s3: S3, tmp_path: Path, kind: str
) -> None:
    kind = random.Random(SEED).choice(KINDS) if kind == ANY else kind
    chance = random.Random(f"{SEED} {kind}")
    fleet = Fleet(postgresql, rabbitmq, s3, tmp_path, attempts=ATTEMPTS)
    try:
        deaths = deaths_of(kind, chance)
        chosen = deaths * max(1, round(TIMES * PER_CENT / 100)) if PER_CENT else [chance.choice(deaths)]
        print(f"TOLVA_SEED={SEED}: {kind}, {len(chosen)} deaths", flush=True)
        missed = suffer(Jobs(fleet, kind, tmp_path / kind, chance), chosen)
        print(f"{kind}: {len(chosen) - missed.total()} died; not come to: {dict(missed)}", flush=True)
        live = fleet.catalog.jobs(limit=10_000, statuses=[JobStatus.PENDING, JobStatus.WIP])
        # Killed before it had its plan, a job is nobody's; it goes when its time is over.
        assert [job.id for job in live if job.plan is not None] == []
        assert not [each for each in fleet.catalog.fleet() if each.tasks]
    finally:
        fleet.close()


def deaths_of(kind: str, chance: random.Random) -> list[Death]:
    """Return the ways to die in a job of this kind, each with its place."""
    return [
        *((worker_dies, f"{point}:{chance.randint(1, 3)}") for point in OF_WORKERS),
        *((worker_dies, f"{point}:{chance.randint(3, 5)}") for point in OF_CHILDREN),
        *((submitter_dies, point) for point in [*OF_SUBMITTERS, *(OF_LOADS if kind == "ingest" else [])]),
    ]


def suffer(jobs: Jobs, deaths: list[Death]) -> Counter[str]:
    """Run a job for each death; return the places that were not come to."""
    missed: Counter[str] = Counter()
    for number, (die, point) in enumerate(deaths):
        if number and not number % _REPORTED_DEATHS:
            print(f"{number} of {len(deaths)}", flush=True)
        missed[point] += not die(jobs, point)
        jobs.check()
    return +missed


def worker_dies(jobs: Jobs, point: str) -> bool:
    """Run a job with a worker that dies at the place, then with another; return whether it did die."""
    fleet = jobs.fleet
    for worker in fleet.workers:
        worker.kill()
    first = fleet.worker("--concurrency", "1", "--lease-seconds", LEASE_SECONDS, TOLVA_CRASH_POINT=point)
    command = fleet.start(*jobs.words())
    wait_for(lambda: not first.running or command.poll() is not None or _failed(fleet), "an end, good or bad")
    fleet.worker("--concurrency", "1", "--lease-seconds", LEASE_SECONDS)
    _, err = command.communicate(timeout=300)
    assert command.returncode in GOOD, f"{point}: {err}\n{fleet.logs()}"
    return not first.running or _failed(fleet)


def _failed(fleet: Fleet) -> bool:
    """Tell whether a child died in the newest job."""
    return any(
        each.outcome == "failed" for job in fleet.catalog.jobs(limit=1) for each in fleet.catalog.attempts(job.id)
    )


def submitter_dies(jobs: Jobs, point: str) -> bool:
    """Run a job by a command that dies at the place, then take it up; return whether it did die."""
    fleet = jobs.fleet
    if not any(worker.running for worker in fleet.workers):
        fleet.worker("--concurrency", "1", "--lease-seconds", LEASE_SECONDS)
    words = jobs.words()
    first = fleet.start(*words, TOLVA_CRASH_POINT=point)
    _, err = first.communicate(timeout=300)
    if first.returncode in GOOD:
        return False
    assert first.returncode == -signal.SIGKILL, f"{point}: {err}"
    again = fleet.start(*words, "--resume")
    _, err = again.communicate(timeout=300)
    if "no unfinished run" in err:
        again = fleet.start(*words)
        _, err = again.communicate(timeout=300)
    assert again.returncode in GOOD, f"{point}: {err}\n{fleet.logs()}"
    return True
