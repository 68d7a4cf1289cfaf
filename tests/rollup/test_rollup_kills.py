from __future__ import annotations

import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from rollup_program import aggregate, begin, cancel, check_parts, live, open_rollup, write_forever

import tolva.rollup
from tolva.rollup import Rollup

SOURCE = Path(tolva.rollup.__file__).parent
POINTS = sorted(
    {point for path in SOURCE.glob("*.py") for point in re.findall(r'crash\.point\("([^"]+)"', path.read_text())}
)
KILLS = int(os.environ.get("TOLVA_KILLS", "40"))
WRITERS = 2

# Not "fork": the test runner has threads (Arrow's, DuckDB's), and their copies can bring a forked child down.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["rollup_program"])


def start(target: Callable[..., None], *args: object) -> BaseProcess:
    """Start a process that does this, and wait until it begins."""
    begun = processes.Event()
    process = processes.Process(target=begin, args=(begun, target, *args), daemon=True)
    process.start()
    assert begun.wait(60)
    return process


def end_of(process: BaseProcess) -> int | None:
    process.join(30)
    exit_code = process.exitcode
    process.close()
    return exit_code


def test_there_are_points_before_and_after_every_effect() -> None:
    assert len(POINTS) > 30
    assert all(re.fullmatch(r"rollup\.[a-z]+\.(before|after)_[a-z_]+", point) for point in POINTS)


@pytest.mark.parametrize("hit", [1, 3])
@pytest.mark.parametrize("point", [point for point in POINTS if not point.startswith("rollup.cancel")])
def test_killed_at_a_named_point_a_restart_ends_the_job(tmp_path: Path, point: str, hit: int) -> None:
    exit_code = end_of(start(live, tmp_path, point, hit))
    assert exit_code == -signal.SIGKILL or (hit > 1 and exit_code == 0)
    assert end_of(start(live, tmp_path)) == 0
    rollup = open_rollup(tmp_path)
    assert rollup.is_done()
    counts = check_parts(tmp_path, rollup.parts())
    assert counts["foreign"] == 1
    assert not counts["discarded"]
    parts = {part.name for part in rollup.parts()}
    assert {path.name for path in rollup.path.iterdir()} == parts


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("rollup.cancel")])
def test_killed_while_cancelling_another_cancel_ends_it(tmp_path: Path, point: str) -> None:
    open_rollup(tmp_path).prepare()
    assert end_of(start(cancel, tmp_path, point)) == -signal.SIGKILL
    assert end_of(start(cancel, tmp_path)) == 0
    assert not any(tmp_path.iterdir())


def test_the_environment_names_the_point(tmp_path: Path) -> None:
    program = f"from rollup_program import *; open_rollup(Path({str(tmp_path)!r})).prepare()"
    environment = os.environ | {
        "TOLVA_CRASH_POINT": "rollup.prepare.after_streaming",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    assert subprocess.run([sys.executable, "-c", program], env=environment, check=False).returncode == -signal.SIGKILL
    assert (tmp_path / "job" / "streaming").exists()
    assert not (tmp_path / "job" / "finished").exists()


class Receiver:
    """Takes parts away now and then, and sees to it that none changes and no name comes back."""

    def __init__(self, rollup: Rollup) -> None:
        self._rollup = rollup
        self._folder = rollup.path.parent / "taken"
        self._folder.mkdir()
        self._seen: dict[str, tuple[int, int, int]] = {}

    def look(self) -> None:
        for part in self._rollup.parts():
            stat = part.stat()
            facts = stat.st_ino, stat.st_size, stat.st_mtime_ns
            assert self._seen.setdefault(part.name, facts) == facts

    def take(self) -> None:
        self.look()
        for part in self._rollup.parts():
            assert not (self._folder / part.name).exists()
            part.rename(self._folder / part.name)

    def parts(self) -> list[Path]:
        return list(self._folder.iterdir())


@contextmanager
def children() -> Iterator[list[BaseProcess]]:
    running: list[BaseProcess] = []
    try:
        yield running
    finally:
        for process in running:
            process.kill()
            process.join()
            process.close()


def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}, {KILLS} kills")
    rng = random.Random(seed)
    rollup = open_rollup(tmp_path)
    rollup.prepare()
    receiver = Receiver(rollup)

    def start_one(place: int) -> BaseProcess:
        return start(aggregate, tmp_path) if place == 0 else start(write_forever, tmp_path, rng.randrange(2**32))

    with children() as running:
        running.extend(start_one(place) for place in range(WRITERS + 1))
        for _ in range(KILLS):
            time.sleep(rng.uniform(0, 0.1))
            place = rng.choice([0, 0, *range(1, WRITERS + 1)])
            running[place].kill()
            assert end_of(running.pop(place)) == -signal.SIGKILL
            if place == 0 and rng.random() < 0.5:
                receiver.take()
            receiver.look()
            running.insert(place, start_one(place))

    rollup.finish()
    rollup.run()
    receiver.take()
    assert rollup.is_done()
    counts = check_parts(tmp_path, receiver.parts())
    assert len(counts) > KILLS
    for suffix in ("", "_error"):
        pattern = re.compile(rf"Z9000_(\d{{4,}}){suffix}\.ndjson")
        numbers = sorted(int(m[1]) for part in receiver.parts() if (m := pattern.fullmatch(part.name)))
        assert numbers == list(range(1, len(numbers) + 1))
