"""``tolva run`` is killed at random moments and taken up again: the right answer, and no committed task runs twice."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import program

KILLS = int(os.environ.get("TOLVA_KILLS", "4"))
SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))


def test_killed_at_random_moments(coffee: Path, tmp_path: Path) -> None:
    print(f"TOLVA_SEED={SEED} TOLVA_KILLS={KILLS}")
    chance = random.Random(SEED)
    began = time.monotonic()
    undisturbed = program.run(*_words(coffee, tmp_path / "out"), state=tmp_path / "state", cwd=tmp_path)
    seconds = time.monotonic() - began
    assert undisturbed.returncode == 0, undisturbed.stderr
    expected = _results(tmp_path / "out")
    kills = run = 0
    while kills < KILLS:
        run += 1
        output, state = tmp_path / f"out-{run}", tmp_path / f"state-{run}"
        resume: tuple[str, ...] = ()
        while True:
            process = program.start(*_words(coffee, output), *resume, state=state, cwd=tmp_path)
            kill_after = chance.uniform(0.2, 1.1) * seconds if kills < KILLS else None
            try:
                _, err = process.communicate(timeout=kill_after)
                assert process.returncode == 0, err
                break
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.communicate()
                kills += 1
                # Killed before the job was recorded, there is nothing to take up.
                resume = ("--resume",) if _unfinished(state) else ()
        assert _results(output) == expected
        _assert_each_task_committed_once(state)


def _words(coffee: Path, output: Path) -> list[str | Path]:
    document = coffee.parent / "four_questions.yaml"
    return ["run", document, "--data", coffee, "--output", output, "--chunk", "512KB", "--workers", "2"]


def _results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def _unfinished(state: Path) -> bool:
    if not (state / "catalog.db").exists():
        return False
    with sqlite3.connect(state / "catalog.db") as catalog:
        tables = catalog.execute("SELECT count(*) FROM sqlite_master WHERE name = 'job'").fetchone()[0]
        return tables > 0 and catalog.execute("SELECT count(*) FROM job WHERE plan IS NOT NULL").fetchone()[0] > 0


def _assert_each_task_committed_once(state: Path) -> None:
    with sqlite3.connect(state / "catalog.db") as catalog:
        twice = catalog.execute(
            "SELECT task_id, count(*) FROM attempt WHERE outcome = 'done' GROUP BY task_id HAVING count(*) > 1"
        ).fetchall()
        after = catalog.execute(
            "SELECT a.task_id FROM attempt a JOIN attempt d ON d.task_id = a.task_id AND d.outcome = 'done' "
            "WHERE a.attempt > d.attempt"
        ).fetchall()
        undone = catalog.execute("SELECT count(*) FROM task WHERE state <> 'done'").fetchone()
    assert (twice, after, undone) == ([], [], (0,))
