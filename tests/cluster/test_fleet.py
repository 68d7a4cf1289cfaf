"""A fleet gives the answers that one process gives, whoever starts first, stops or pauses.

``TOLVA_RESTARTS`` is how often all workers are restarted, one after the other, while they work.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from fleet import Fleet, results, wait_for

from servers.process import Process
from tolva.plan import Role
from tolva.states import JobStatus, TaskState

CHUNK = ("--chunk", "512KB")
WORKERS = 2
RESTARTS = int(os.environ.get("TOLVA_RESTARTS", "2"))


def test_one_worker_gives_the_same_answers(fleet: Fleet, coffee: Path, answers: dict[str, bytes]) -> None:
    fleet.worker("--concurrency", "2")

    assert fleet.run_job(coffee.parent / "four_questions.yaml", coffee, "out") == answers

    assert fleet.failures() == []


def test_workers_of_split_roles_started_before_and_after_the_job_give_the_same_answers(
    fleet: Fleet, coffee: Path, answers: dict[str, bytes]
) -> None:
    fleet.worker("--role", "scan", "--concurrency", "1")
    job = fleet.start("run", coffee.parent / "four_questions.yaml", "--data", coffee, "--output", "out", "-q", *CHUNK)
    wait_for(fleet.catalog.jobs, "the job")
    fleet.worker("--role", "scan", "--concurrency", "1")
    fleet.worker("--role", "reduce", "--concurrency", "1")
    fleet.worker("--role", "finish,reduce", "--concurrency", "1")

    _, err = job.communicate(timeout=300)

    assert job.returncode == 0, err
    assert results(fleet.folder / "out") == answers
    assert fleet.failures() == []
    (done,) = fleet.catalog.jobs()
    workers = {each.worker for each in fleet.catalog.attempts(done.id)}
    assert len(workers) >= 2  # who scans can't finish


def test_rolling_restarts_spend_no_attempt_and_repeat_nothing(
    fleet: Fleet, coffee: Path, answers: dict[str, bytes]
) -> None:
    """Each of the workers is replaced by another, again and again, while job follows job."""
    for _ in range(WORKERS):
        fleet.worker("--concurrency", "1")
    fleet.wait_for_workers(WORKERS)
    restarts = jobs = 0
    while restarts < RESTARTS:
        jobs += 1
        words = [
            "run",
            coffee.parent / "four_questions.yaml",
            "--data",
            coffee,
            "--output",
            f"out-{jobs}",
            "-q",
            *CHUNK,
        ]
        job = fleet.start(*words)
        wait_for(lambda jobs=jobs: sum(j.status is not JobStatus.PENDING for j in fleet.catalog.jobs()) == jobs, "work")
        while job.poll() is None and restarts < RESTARTS:
            for old in [worker for worker in fleet.workers if worker.running]:
                replace(fleet, old)
            restarts += 1

        _, err = job.communicate(timeout=300)
        assert job.returncode == 0, err
        assert results(fleet.folder / f"out-{jobs}") == answers

    assert fleet.failures() == []
    for done in fleet.catalog.jobs():
        assert {task.failures for task in fleet.catalog.tasks(done.id)} == {0}
        committed = [each.task_id for each in fleet.catalog.attempts(done.id) if each.outcome == "done"]
        assert len(committed) == len(set(committed))
    print(f"all {WORKERS} workers restarted {restarts} times in {jobs} jobs")


def replace(fleet: Fleet, old: Process) -> None:
    """Start another worker, and stop this one."""
    wait_for(lambda: "takes" in old.log.read_text(), "the worker to begin")
    fleet.worker("--concurrency", "1")
    old.signal(signal.SIGTERM)
    assert old.wait(120) == 0, old.log.read_text()


def running(fleet: Fleet, job_id: str, stage: str) -> bool:
    return any(task.stage == stage and task.state is TaskState.RUNNING for task in fleet.catalog.tasks(job_id))


def test_a_second_signal_hands_running_tasks_back_at_once(fleet: Fleet, slow: Path) -> None:
    worker = fleet.worker("--concurrency", "1", "--grace-seconds", "300")
    fleet.start("run", slow, "--output", "out", "-q")
    wait_for(lambda: any(running(fleet, job.id, "scan_numbers_2") for job in fleet.catalog.jobs()), "the slow task")
    worker.signal(signal.SIGTERM)
    wait_for(lambda: "stops" in worker.log.read_text(), "the first signal to be heard")
    worker.signal(signal.SIGTERM)

    assert worker.wait(120) == 0, worker.log.read_text()

    (job,) = fleet.catalog.jobs()
    assert [each.outcome for each in fleet.catalog.attempts(job.id)] == ["done", "released"]
    assert fleet.catalog.fleet() == []
    fleet.catalog.cancel(job.id)


def test_a_paused_role_waits_and_goes_on(fleet: Fleet, coffee: Path, answers: dict[str, bytes]) -> None:
    fleet.run("workers", "pause", "reduce,finish")
    assert "No worker has reported" in fleet.run("workers").stderr
    fleet.worker("--concurrency", "2")
    job = fleet.start("run", coffee.parent / "four_questions.yaml", "--data", coffee, "--output", "out", "-q")
    wait_for(lambda: any(hint.role is not Role.SCAN for hint in fleet.catalog.ready()), "work for the paused roles")
    (done,) = fleet.catalog.jobs()
    ran = {task.role for task in fleet.catalog.tasks(done.id) if task.attempt}
    assert ran == {Role.SCAN}
    shown = fleet.run("workers")
    assert "scan, reduce (paused), finish (paused)" in shown.stdout
    assert "reduce is paused: its tasks wait" in shown.stderr

    fleet.run("workers", "resume", "reduce,finish")

    _, err = job.communicate(timeout=300)
    assert job.returncode == 0, err
    assert results(fleet.folder / "out") == answers


def test_the_doctor_finds_what_is_amiss(fleet: Fleet) -> None:
    well = fleet.run("doctor").stdout
    assert [line.split()[0] for line in well.splitlines()] == ["ok"] * 4

    fleet.environment["TOLVA_BROKER"] = "amqp://guest:guest@127.0.0.1:1//"
    ill = fleet.start("doctor")
    out, _ = ill.communicate(timeout=300)

    assert ill.returncode == 1
    assert [line.split()[0] for line in out.splitlines()] == ["ok", "ok", "ok", "AMISS"]
    assert "TOLVA_BROKER" in out


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Return a job document whose one scan takes minutes."""
    (tmp_path / "numbers.csv").write_text("n\n" + "\n".join(map(str, range(3000))) + "\n")
    document = tmp_path / "slow.yaml"
    document.write_text(
        "kind: query\n"
        "tables: {numbers: {files: numbers.csv, columns: {n: BIGINT}}}\n"
        "queries: {q: {sql: 'SELECT count(*) c FROM numbers a, numbers b, numbers c WHERE a.n + b.n * c.n = 7'}}\n"
    )
    return document
