from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rollup_forks import Forks
from rollup_program import aggregate, cancel, check_parts, closed_streams, live, open_rollup, write_forever

import tolva.rollup
from tolva.rollup import Rollup

SOURCE = Path(tolva.rollup.__file__).parent
POINTS = sorted(
    {point for path in SOURCE.glob("*.py") for point in re.findall(r'crash\.point\("([^"]+)"', path.read_text())}
)
KILLS = int(os.environ.get("TOLVA_ROLLUP_KILLS", "20"))
SEED = int(os.environ.get("TOLVA_SEED", str(random.SystemRandom().randrange(2**32))))
WRITERS = 2


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as opened:
        yield opened


def test_there_are_points_before_and_after_every_effect() -> None:
    assert len(POINTS) > 30
    assert all(re.fullmatch(r"rollup\.[a-z]+\.(before|after)_[a-z_]+", point) for point in POINTS)


@pytest.mark.parametrize("hit", [1, 3])
@pytest.mark.parametrize("point", [point for point in POINTS if not point.startswith("rollup.cancel")])
def test_killed_at_a_named_point_a_restart_ends_the_job(forks: Forks, tmp_path: Path, point: str, hit: int) -> None:
    exit_code = forks.end_of(forks.start(live, tmp_path, point, hit))
    assert exit_code == -signal.SIGKILL or (hit > 1 and exit_code == 0)
    assert forks.end_of(forks.start(live, tmp_path)) == 0
    rollup = open_rollup(tmp_path)
    assert rollup.is_done()
    counts = check_parts(tmp_path, rollup.parts())
    assert counts["foreign"] == 1
    assert not counts["discarded"]
    parts = {part.name for part in rollup.parts()}
    assert {path.name for path in rollup.path.iterdir()} == parts


@pytest.mark.parametrize("point", [point for point in POINTS if point.startswith("rollup.cancel")])
def test_killed_while_cancelling_another_cancel_ends_it(forks: Forks, tmp_path: Path, point: str) -> None:
    open_rollup(tmp_path).prepare()
    assert forks.end_of(forks.start(cancel, tmp_path, point)) == -signal.SIGKILL
    assert forks.end_of(forks.start(cancel, tmp_path)) == 0
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


def wait_for_streams(root: Path, count: int) -> None:
    """Wait until more than this many streams were closed."""
    give_up = time.monotonic() + 60
    while len(closed_streams(root)) <= count:
        assert time.monotonic() < give_up
        time.sleep(0.001)  # the event of another process, seen in its log


def test_killed_at_random_moments_nothing_is_lost_or_doubled(forks: Forks, tmp_path: Path) -> None:
    print(f"TOLVA_SEED={SEED} TOLVA_ROLLUP_KILLS={KILLS}")
    rng = random.Random(SEED)
    rollup = open_rollup(tmp_path)
    rollup.prepare()
    receiver = Receiver(rollup)

    def start_one(place: int) -> int:
        if place == 0:
            return forks.start(aggregate, tmp_path)
        return forks.start(write_forever, tmp_path, rng.randrange(2**32))

    running = [start_one(place) for place in range(WRITERS + 1)]
    for kill in range(KILLS):
        wait_for_streams(tmp_path, kill)
        time.sleep(rng.uniform(0, 0.1))
        place = rng.choice([0, 0, *range(1, WRITERS + 1)])
        assert forks.kill(running[place]) == -signal.SIGKILL
        if place == 0 and rng.random() < 0.5:
            receiver.take()
        receiver.look()
        running[place] = start_one(place)
    for pid in running:
        assert forks.kill(pid) == -signal.SIGKILL

    rollup.finish()
    rollup.run()
    receiver.take()
    assert rollup.is_done()
    counts = check_parts(tmp_path, receiver.parts())
    assert len(counts) >= KILLS
    for suffix in ("", "_error"):
        pattern = re.compile(rf"Z9000_(\d{{4,}}){suffix}\.ndjson")
        numbers = sorted(int(m[1]) for part in receiver.parts() if (m := pattern.fullmatch(part.name)))
        assert numbers == list(range(1, len(numbers) + 1))
